// Node's tls on the other side, for judges.py. SPDX-License-Identifier: BSD-3-Clause
//
// usage: node judge.js TLSv1.2|TLSv1.3 connect PORT TRUST        to a server of judge.c
//        node judge.js TLSv1.2|TLSv1.3 serve CERTIFICATE KEY     as echo_server does, for two clients at a time
'use strict';
const assert = require('assert');
const fs = require('fs');
const tls = require('tls');

const [version, role, first, second] = process.argv.slice(2);
const versions = {minVersion: version, maxVersion: version};
const megabyte = Buffer.alloc(1 << 20, 'what comes back must be this\n');

// Sends text, and gives everything up to the server's close_notify. `whole` is whether this side ends its half at once.
function talk(text, {whole = false, session} = {}) {
    return new Promise((resolve, reject) => {
        const parts = [];
        const said = {};
        const peer = tls.connect({port: Number(first), host: '127.0.0.1', servername: 'localhost', session,
            ca: fs.readFileSync(second), ALPNProtocols: ['two', 'three'], allowHalfOpen: true, ...versions});
        peer.on('secureConnect', () => {
            Object.assign(said, {resumed: peer.isSessionReused(), alpn: peer.alpnProtocol});
            if (whole) peer.end(text); else peer.write(text);
        });
        peer.on('session', (kept) => { said.session = kept; });
        peer.on('data', (part) => parts.push(part));
        peer.on('end', () => peer.end());
        peer.on('error', reject);
        peer.on('close', () => resolve({...said, data: Buffer.concat(parts)}));
    });
}

async function connect() {
    const echo = await talk(Buffer.concat([Buffer.from('echo 1048576\n'), megabyte, Buffer.from('done\n')]));
    assert(echo.data.equals(megabyte));
    console.log('a megabyte came back');
    const fresh = await talk('say hello\ndone\n');
    console.log(`${fresh.resumed ? 'resumed' : 'fresh'}, alpn ${fresh.alpn}`);
    const again = await talk('say hello\ndone\n', {session: fresh.session});
    console.log(`${again.resumed ? 'resumed' : 'fresh'}, alpn ${again.alpn}`);
    const counted = await talk(Buffer.concat([Buffer.from('count\n'), megabyte]), {whole: true});
    console.log(`${counted.data.toString().trim()} counted`);
    const dropped = await talk('drop 16000000\n').catch((error) => ({error}));
    console.log(dropped.error || dropped.data.length < 16000000 ? 'cut off' : 'nothing was dropped');
}

function serve() {
    const options = {cert: fs.readFileSync(first), key: fs.readFileSync(second), ALPNProtocols: ['two'],
        allowHalfOpen: true, ...versions};
    const server = tls.createServer(options, (peer) => {
        let got = Buffer.alloc(0);
        peer.on('data', (part) => {
            got = Buffer.concat([got, part]);
            const end = got.indexOf('\n') + 1;
            const length = Number(got.subarray(5, end));
            if (end > 0 && got.length >= end + length) {
                peer.write(got.subarray(end, end + length));
                got = got.subarray(end + length);
            }
        });
        peer.on('end', () => peer.end());
        peer.on('error', (error) => console.log(`ERROR ${error.message}`));
    });
    server.listen(0, '127.0.0.1', () => console.log(server.address().port));
}

if (role === 'serve') serve(); else connect();
