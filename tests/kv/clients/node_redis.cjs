// node-redis: node_redis.cjs FOLDER [PROTOCOL] PORT; the package is in FOLDER. SPDX-License-Identifier: BSD-3-Clause
const {EVERY_BYTE, Heard, attempt, comeBack, main, publishAll, say} = require('./judge.cjs');

const [folder, ...rest] = process.argv.slice(2);
const {createClient, commandOptions, RESP_TYPES} = require(`${folder}/node_modules/redis`);
const options = {url: `redis://127.0.0.1:${rest.at(-1)}`, socket: {reconnectStrategy: () => 20}};
if (rest.length > 1) options.RESP = Number(rest[0]);

const connected = async (client) => {
    client.on('error', () => {});
    await client.connect();
    return client;
};

const bytesOf = (client, key) => commandOptions
    ? client.get(commandOptions({returnBuffers: true}), key)
    : client.withTypeMapping({[RESP_TYPES.BLOB_STRING]: Buffer}).get(key);

const simple = async (r) => {
    await attempt('flushAll', r.flushAll());
    await attempt('ping', r.ping());
    await attempt('set', r.set('a', '1'));
    await attempt('get', r.get('a'));
    await attempt('get none', r.get('none'));
    await attempt('incr', r.incr('a'));
    await attempt('set NX', r.set('a', '2', {NX: true}));
    await attempt('set GET', r.set('a', '2', {GET: true}));
    await attempt('set EX', r.set('t', 'x', {EX: 100}));
    say('ttl', await r.ttl('t') > 90);
    await attempt('expire NX', r.expire('t', 100, 'NX'));
    await attempt('persist', r.persist('t'));
    await attempt('mSet', r.mSet({m1: '1', m2: '2'}));
    await attempt('mGet', r.mGet(['m1', 'none', 'm2']));
    await attempt('append', r.append('m1', 'more'));
    await attempt('strLen', r.strLen('m1'));
    await attempt('type', r.type('m1'));
    await attempt('exists', r.exists(['m1', 'none', 'm2']));
    await attempt('set bytes', r.set('big', EVERY_BYTE));
    say('get bytes', EVERY_BYTE.equals(await bytesOf(r, 'big')));
    await attempt('not a number', r.incr('big'));
    await attempt('unknown', r.sendCommand(['NOSUCH', 'a', 'b']));
    await attempt('arguments', r.sendCommand(['GET']));
    await attempt('keys', async () => (await r.keys('m*')).sort());
    const found = [];
    for await (const keys of r.scanIterator({MATCH: 'm?', COUNT: 1})) found.push(keys);
    say('scanIterator', found.flat().sort());
    await attempt('del', r.del(['big', 'none']));
    await attempt('dbSize', r.dbSize());
    await attempt('clientSetName', r.clientSetName('me'));
    await attempt('clientGetName', r.clientGetName());
    await attempt('configGet', r.configGet('appendonly'));
    await attempt('info', async () => /role:\w+/.exec(await r.info('replication'))[0]);
};

const together = async (r, other) => {
    const got = await Promise.all(Array.from({length: 1000}, (_, i) => Promise.all([r.set(`p${i}`, `${i}`), r.get(`p${i}`)])));
    say('pipeline', got.every(([set, value], i) => set === 'OK' && value === `${i}`));
    await attempt('multi', r.multi().set('n', '1').incr('n').mGet(['n', 'none']).exec());
    await attempt('execAsPipeline', r.multi().set('n', '1').incr('n').execAsPipeline());
    await attempt('error in multi', r.multi().set('text', 'x').incr('text').get('text').exec());
    await attempt('unknown in multi', r.multi().set('text', 'y').addCommand(['NOSUCH']).exec());
    await attempt('get', r.get('text'));
    await attempt('watch', r.watch('n'));
    await attempt('set by another', other.set('n', '10'));
    await attempt('watched', r.multi().incr('n').exec());
    await attempt('unwatch', r.unwatch());
};

const reconnect = async (r, subscriber, heard, how) => {
    await comeBack(how, [r, subscriber], 'error', () => r.get('a'));
    await attempt('set', r.set('a', '1'));
    await publishAll(r.publish.bind(r), heard);
};

main(async () => {
    const r = await connected(createClient(options));
    const subscriber = await connected(r.duplicate());
    const other = await connected(r.duplicate());
    const heard = new Heard();
    await simple(r);
    await together(r, other);
    await subscriber.subscribe(['a', 'b'], (message, topic) => heard.put('message', topic, message.length));
    await subscriber.pSubscribe('a*', (message, topic) => heard.put('matched', topic, message));
    await attempt('ping', subscriber.ping());
    await publishAll(r.publish.bind(r), heard);
    await reconnect(r, subscriber, heard, 'stop');
    await reconnect(r, subscriber, heard, 'kill');
    await subscriber.unsubscribe('b');
    await attempt('publish', r.publish('b', 'nobody'));
    await subscriber.unsubscribe('a');
    await subscriber.pUnsubscribe();
    await attempt('quit', r.quit());
    await attempt('disconnect', subscriber.disconnect());
});
