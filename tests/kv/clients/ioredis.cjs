// ioredis: ioredis.cjs FOLDER [PROTOCOL] PORT; the package is in FOLDER. SPDX-License-Identifier: BSD-3-Clause
const {EVERY_BYTE, Heard, attempt, comeBack, main, publishAll, say} = require('./judge.cjs');

const [folder, ...rest] = process.argv.slice(2);
const {Redis} = require(`${folder}/node_modules/ioredis`);
const options = {host: '127.0.0.1', port: Number(rest.at(-1))};
if (rest.length > 1) options.protocol = Number(rest[0]);

const connection = (more = {}) => {
    const client = new Redis({...options, ...more});
    client.on('error', () => {});
    return client;
};

const simple = async (r) => {
    await attempt('flushall', r.flushall());
    await attempt('ping', r.ping());
    await attempt('set', r.set('a', '1'));
    await attempt('get', r.get('a'));
    await attempt('get none', r.get('none'));
    await attempt('incr', r.incr('a'));
    await attempt('set NX', r.set('a', '2', 'NX'));
    await attempt('set GET', r.set('a', '2', 'GET'));
    await attempt('setex', r.setex('t', 100, 'x'));
    say('ttl', await r.ttl('t') > 90);
    await attempt('expire NX', r.expire('t', 100, 'NX'));
    await attempt('persist', r.persist('t'));
    await attempt('mset', r.mset({m1: '1', m2: '2'}));
    await attempt('mget', r.mget('m1', 'none', 'm2'));
    await attempt('append', r.append('m1', 'more'));
    await attempt('strlen', r.strlen('m1'));
    await attempt('type', r.type('m1'));
    await attempt('exists', r.exists('m1', 'none', 'm2'));
    await attempt('setnx', r.setnx('m1', '1'));
    await attempt('getset', r.getset('m1', '1'));
    await attempt('set bytes', r.set('big', EVERY_BYTE));
    say('getBuffer', EVERY_BYTE.equals(await r.getBuffer('big')));
    await attempt('not a number', r.incr('big'));
    await attempt('unknown', r.call('NOSUCH', 'a', 'b'));
    await attempt('arguments', r.call('GET'));
    await attempt('keys', async () => (await r.keys('m*')).sort());
    const found = [];
    for await (const keys of r.scanStream({match: 'm?', count: 1})) found.push(keys);
    say('scanStream', found.flat().sort());
    await attempt('del', r.del('big', 'none'));
    await attempt('dbsize', r.dbsize());
    await attempt('client SETNAME', r.client('SETNAME', 'me'));
    await attempt('client GETNAME', r.client('GETNAME'));
    await attempt('config GET', r.config('GET', 'appendonly'));
    await attempt('info', async () => /role:\w+/.exec(await r.info('replication'))[0]);
};

const together = async (r, other) => {
    const p = r.pipeline();
    for (let i = 0; i < 1000; i++) p.set(`p${i}`, i).get(`p${i}`);
    const got = await p.exec();
    say('pipeline', [got.length, got.every(([error, value], i) => !error && value === (i % 2 ? `${i >> 1}` : 'OK'))]);
    await attempt('error in a pipeline', r.pipeline().set('text', 'x').incr('text').get('text').exec());
    await attempt('multi', r.multi().set('n', '1').incr('n').mget('n', 'none').exec());
    await attempt('error in multi', r.multi().set('text', 'x').incr('text').get('text').exec());
    await attempt('unknown in multi', r.multi().set('text', 'y').call('NOSUCH').exec());
    await attempt('get', r.get('text'));
    await attempt('multi without a pipeline', r.multi({pipeline: false}));
    await attempt('queued', r.set('n', '2'));
    await attempt('exec', r.exec());
    await attempt('watch', r.watch('n'));
    await attempt('set by another', other.set('n', '10'));
    await attempt('watched', r.multi().incr('n').exec());
    const auto = connection({enableAutoPipelining: true});
    const values = await Promise.all(Array.from({length: 1000}, (_, i) => auto.get(`p${i}`)));
    say('autopipelining', values.every((value, i) => value === `${i}`));
    await attempt('quit', auto.quit());
};

const reconnect = async (r, subscriber, heard, how) => {
    await comeBack(how, [r, subscriber], 'close', () => r.get('a'));
    await attempt('set', r.set('a', '1'));
    await attempt('subscribed again', subscriber.subscribe('a'));
    await publishAll(r.publish.bind(r), heard);
};

main(async () => {
    const r = connection(), subscriber = connection(), other = connection();
    const heard = new Heard();
    subscriber.on('message', (topic, message) => heard.put('message', topic, message.length));
    subscriber.on('pmessage', (pattern, topic, message) => heard.put('matched', pattern, topic, message));
    await simple(r);
    await together(r, other);
    await attempt('subscribe', subscriber.subscribe('a', 'b'));
    await attempt('psubscribe', subscriber.psubscribe('a*'));
    await attempt('ping', subscriber.ping());
    await attempt('get', subscriber.get('n'));
    await publishAll(r.publish.bind(r), heard);
    await reconnect(r, subscriber, heard, 'stop');
    await reconnect(r, subscriber, heard, 'kill');
    await attempt('unsubscribe', subscriber.unsubscribe('b'));
    await attempt('publish', r.publish('b', 'nobody'));
    await attempt('unsubscribe', subscriber.unsubscribe('a'));
    await attempt('punsubscribe', subscriber.punsubscribe());
    await attempt('quit', r.quit());
    await attempt('quit', subscriber.quit());
});
