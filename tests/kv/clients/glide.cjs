// valkey-glide: glide.cjs FOLDER PORT; the package is in FOLDER. SPDX-License-Identifier: BSD-3-Clause
const {EVERY_BYTE, Heard, attempt, main, publishAll, say, tell} = require('./judge.cjs');

const [folder, port] = process.argv.slice(2);
const {Batch, Decoder, ExpireOptions, GlideClient, GlideClientConfiguration, InfoOptions, Logger, TimeUnit} =
    require(`${folder}/node_modules/@valkey/valkey-glide`);
const {Exact, Pattern} = GlideClientConfiguration.PubSubChannelModes;
const options = {
    addresses: [{host: '127.0.0.1', port: Number(port)}],
    requestTimeout: 5000,
    connectionBackoff: {numberOfRetries: 5, factor: 20, exponentBase: 2},
};
Logger.setLoggerConfig('off');

const simple = async (r) => {
    await attempt('flushall', r.flushall());
    await attempt('ping', r.ping());
    await attempt('set', r.set('a', '1'));
    await attempt('get', r.get('a'));
    await attempt('get none', r.get('none'));
    await attempt('incr', r.incr('a'));
    await attempt('set NX', r.set('a', '2', {conditionalSet: 'onlyIfDoesNotExist'}));
    await attempt('set GET', r.set('a', '2', {returnOldValue: true}));
    await attempt('set EX', r.set('t', 'x', {expiry: {type: TimeUnit.Seconds, count: 100}}));
    say('ttl', await r.ttl('t') > 90);
    await attempt('expire NX', r.expire('t', 100, {expireOption: ExpireOptions.HasNoExpiry}));
    await attempt('persist', r.persist('t'));
    await attempt('mset', r.mset({m1: '1', m2: '2'}));
    await attempt('mget', r.mget(['m1', 'none', 'm2']));
    await attempt('append', r.append('m1', 'more'));
    await attempt('strlen', r.strlen('m1'));
    await attempt('type', r.type('m1'));
    await attempt('exists', r.exists(['m1', 'none', 'm2']));
    await attempt('set bytes', r.set('big', EVERY_BYTE));
    say('get bytes', EVERY_BYTE.equals(await r.get('big', {decoder: Decoder.Bytes})));
    await attempt('not a number', r.incr('big'));
    await attempt('unknown', r.customCommand(['NOSUCH', 'a', 'b']));
    await attempt('arguments', r.customCommand(['GET']));
    let cursor = '0';
    const found = [];
    do {
        const [next, keys] = await r.scan(cursor, {match: 'm?', count: 1});
        found.push(...keys);
        cursor = next;
    } while (cursor !== '0');
    say('scan', found.sort());
    await attempt('del', r.del(['big', 'none']));
    await attempt('dbsize', r.dbsize());
    await attempt('clientGetName', r.clientGetName());
    await attempt('clientId', async () => typeof await r.clientId());
    await attempt('configGet', r.configGet(['appendonly']));
    await attempt('info', async () => /role:\w+/.exec(await r.info([InfoOptions.Replication]))[0]);
};

const together = async (r) => {
    const got = await Promise.all(Array.from({length: 400}, (_, i) => Promise.all([r.set(`p${i}`, `${i}`), r.get(`p${i}`)])));
    say('at once', got.every(([set, value], i) => set === 'OK' && value === `${i}`));
    await attempt('pipeline', r.exec(new Batch(false).set('n', '1').incr('n').mget(['n', 'none']), true));
    await attempt('error in a pipeline', r.exec(new Batch(false).set('text', 'x').incr('text').get('text'), false));
    await attempt('transaction', r.exec(new Batch(true).set('n', '1').incr('n').mget(['n', 'none']), true));
    await attempt('error in a transaction', r.exec(new Batch(true).set('text', 'x').incr('text').get('text'), false));
    await attempt('unknown in a transaction', r.exec(new Batch(true).set('text', 'y').customCommand(['NOSUCH']), false));
    await attempt('get', r.get('text'));
    await attempt('watch', r.watch(['n']));
    await attempt('set', r.set('n', '10'));
    await attempt('watched', r.exec(new Batch(true).incr('n'), true));
    await attempt('unwatch', r.unwatch());
};

const pause = () => new Promise((resolve) => setTimeout(resolve, 50));

// Asks until a connection is there again.
const comesBack = async (r) => {
    for (;;) {
        try {
            return await r.get('a');
        } catch {
            await pause();
        }
    }
};

const reconnect = async (r, heard, how) => {
    await tell(how);
    await tell('start');
    say('it is new', await comesBack(r));
    await attempt('set', r.set('a', '1'));
    // The subscriber comes back by itself, one topic after the other.
    for (const [topic, count] of [['a', 2], ['b', 1]])
        while (await r.publish('there?', topic) < count) await pause();
    await publishAll((topic, message) => r.publish(message, topic), heard);
};

main(async () => {
    const heard = new Heard();
    const r = await GlideClient.createClient({...options, clientName: 'me'});
    await simple(r);
    await together(r);
    const subscriber = await GlideClient.createClient({
        ...options,
        pubsubSubscriptions: {
            channelsAndPatterns: {[Exact]: new Set(['a', 'b']), [Pattern]: new Set(['a?*', 'a'])},
            callback: ({message, channel, pattern}) => message === 'there?' || heard.put(channel, pattern, message.length),
        },
    });
    await attempt('get', subscriber.get('n'));
    await publishAll((topic, message) => r.publish(message, topic), heard);
    await reconnect(r, heard, 'stop');
    await reconnect(r, heard, 'kill');
    r.close();
    subscriber.close();
});
