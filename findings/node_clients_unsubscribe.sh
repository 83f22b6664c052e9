#!/usr/bin/env bash
# Redis clients for Node: unsubscribe() from all topics, while a pattern is still subscribed, and every answer behind it
# goes to the wrong question. SPDX-License-Identifier: BSD-3-Clause
#
# A connection has subscribed to the topic a and to the pattern p*. It calls unsubscribe() without names, and then asks
# two more questions: ping("one") and ping("two"), or in RESP3, where a subscriber may ask for anything, get("one") and
# get("two"). redis-server 7.0.15 answers all three in order: UNSUBSCRIBE with a line that says that one subscription is
# left, the pattern's.
#
# What most would expect: unsubscribe() is done, and each question has its answer. What came: ioredis 5.11.1, and 6.0.0
# in RESP2, and node-redis 4.7.0 and 5.12.1 wait for a line that says that nothing is left. So each answer goes to the
# question before: unsubscribe() ends with the first, the first question gets the second, and the last never ends. In
# node-redis 5.12.1 with RESP3 get("one") gives the value of two. ioredis 6.0.0 as it comes, in RESP3, drops every
# answer from then on. node-redis 6.3.1 is right.
#
# Guessed before: nothing; our judge for these clients was written as if all were right, and hung. Guessed after that,
# and right: that node-redis 4 and 5 mix up the answers as ioredis does. Guessed wrong: that ioredis 6 in RESP3 mixes them
# up too, rather than dropping them.
#
# Why it matters here: such a client looks as if the server had lost an answer. A server cannot help it; a program calls
# punsubscribe() first, or names the topics.
set -eu
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill "$pid"; rm -rf "$work"' EXIT
cd "$work"

debs=(redis-tools=5:7.0.15-1~deb12u10 liblzf1=3.6-3 libjemalloc2=5.3.0-1 libatomic1=12.2.0-14+deb12u1)
apt-get -q download "${debs[@]}" >log 2>&1 || { cat log; exit 1; }
for deb in *.deb; do dpkg -x "$deb" root; done
for version in ioredis@5.11.1 ioredis@6.0.0 redis@4.7.0 redis@5.12.1 redis@6.3.1; do
    folder=${version/@/-}
    mkdir "$folder"
    echo '{"private": true}' >"$folder/package.json"
    npm install --silent --no-audit --no-fund --prefix "$folder" "$version" >log 2>&1 || { cat log; exit 1; }
done

cat >ask.cjs <<'END_OF_ASK'
const [, , folder, socket, question, protocol] = process.argv;
const never = () => new Promise((resolve) => setTimeout(resolve, 1000, 'never'));
const soon = (promise) => Promise.race([promise.then((value) => JSON.stringify(value) ?? 'done', (error) => error.message), never()]);

const ioredis = async () => {
    const {Redis} = require(`${folder}/node_modules/ioredis`);
    const r = new Redis({path: socket, ...protocol && {protocol: Number(protocol)}});
    await r.mset('one', '1', 'two', '2');
    await r.subscribe('a');
    await r.psubscribe('p*');
    return r;
};

const nodeRedis = async () => {
    const {createClient} = require(`${folder}/node_modules/redis`);
    const r = createClient({socket: {path: socket}, ...protocol && {RESP: Number(protocol)}});
    await r.connect();
    await r.mSet(['one', '1', 'two', '2']);
    await r.subscribe('a', () => {});
    await r.pSubscribe('p*', () => {});
    return r;
};

(folder.includes('ioredis') ? ioredis() : nodeRedis()).then(async (r) => {
    const asked = [r.unsubscribe(), r[question]('one'), r[question]('two')];
    console.log((await Promise.all(asked.map(soon))).join(' '));
    process.exit(0);
});
END_OF_ASK

libraries=$work/root/usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
LD_LIBRARY_PATH=$libraries bash -c 'exec -a redis-server "$@"' start root/usr/bin/redis-check-rdb --port 0 \
    --unixsocket "$work/socket" --save '' --appendonly no >log 2>&1 &
pid=$!
for _ in {1..100}; do [ ! -S socket ] || break; sleep 0.05; done
[ -S socket ] || { cat log; exit 1; }

wrong=0
# try EXPECTED FOLDER QUESTION [PROTOCOL]
try() {
    local came
    came=$(timeout 20 node ask.cjs "$work/${2/@/-}" "$work/socket" "${@:3}" 2>errors) || cat errors
    printf '%-14s %-5s %-4s %s\n' "$2" "${4:+RESP$4}" "$3" "$came"
    [ "$came" = "$1" ] || { echo "    this was $1"; wrong=1; }
}
echo 'what came of unsubscribe(), and of ping("one") and ping("two"), or get("one") and get("two")'
echo 'expected: done or a number, "one" and "two", in RESP2 as pairs with "pong"; for get "1" and "2"'
try '["pong","one"] ["pong","two"] never' ioredis@5.11.1 ping
try '["pong","one"] ["pong","two"] never' ioredis@6.0.0 ping 2
try 'never never never' ioredis@6.0.0 get
try 'done "two" never' redis@4.7.0 ping
try 'done "two" never' redis@5.12.1 ping
try 'done "2" never' redis@5.12.1 get 3
try 'done "1" "2"' redis@6.3.1 get
try 'done "one" "two"' redis@6.3.1 ping 2
exit $wrong
