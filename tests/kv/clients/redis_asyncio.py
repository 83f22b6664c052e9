"""redis-py's asyncio: redis_asyncio.py [PROTOCOL] PORT. SPDX-License-Identifier: BSD-3-Clause"""
import asyncio
import sys

import redis.asyncio
from judge import EVERY_BYTE, say, tell
from redis import ConnectionError, RedisError

PORT = int(sys.argv[-1])
OPTIONS = {"protocol": int(sys.argv[1])} if len(sys.argv) > 2 else {}


async def attempt(what, awaited):
    """Says what came, or which error."""
    try:
        say(what, await awaited)
    except RedisError as problem:
        say(what, f"{type(problem).__name__}: {problem}")


async def simple(r):
    await attempt("ping", r.ping())
    await attempt("set", r.set("a", 1))
    await attempt("get", r.get("a"))
    await attempt("get none", r.get("none"))
    await attempt("incr", r.incr("a"))
    await attempt("set nx", r.set("a", 2, nx=True))
    await attempt("set ex", r.set("t", "x", ex=100))
    say("ttl", 90 < await r.ttl("t") <= 100)
    await attempt("mset", r.mset({"m1": 1, "m2": 2}))
    await attempt("mget", r.mget("m1", "m2", "none", "a"))
    await attempt("set big", r.set("big", EVERY_BYTE))
    say("get big", await r.get("big") == EVERY_BYTE)
    await attempt("not a number", r.incr("big"))
    await attempt("unknown", r.execute_command("NOSUCH", "a", "b"))
    say("scan_iter", sorted([key async for key in r.scan_iter("m?", count=1)]))
    say("info", (await r.info("replication"))["role"])


async def many_at_once(r):
    """Each of 50 tasks has a connection of its own."""
    async def one(i):
        return [await r.incr("shared"), await r.set(f"one{i}", i), await r.get(f"one{i}")][1:]
    got = await asyncio.gather(*[one(i) for i in range(50)])
    say("at once", got == [[True, b"%d" % i] for i in range(50)])
    await attempt("shared", r.get("shared"))


async def pipelines(r):
    p = r.pipeline(transaction=False)
    for i in range(1000):
        p.set(f"p{i}", i).get(f"p{i}")
    got = await p.execute()
    say("pipeline", (len(got), got[1::2] == [b"%d" % i for i in range(1000)]))
    async with r.pipeline() as p:
        p.set("n", 1).incr("n").mget("n", "none")
        await attempt("transaction", p.execute())
        p.set("text", "x").incr("text").get("text")
        say("error in a transaction", await p.execute(raise_on_error=False))
        await p.watch("n")
        await r.set("n", 10)
        p.multi()
        p.incr("n")
        await attempt("watched", p.execute())


async def messages(pubsub, count):
    """The next ones; waits for each. A connection that is lost is an error, once, in some versions."""
    while count > 0:
        try:
            message = await pubsub.get_message(timeout=10)
            say("message", message and sorted(message.items()))
            count -= 1
        except ConnectionError as problem:
            say("message", problem)


async def topics(r, pubsub):
    await pubsub.subscribe("a", "b")
    await pubsub.psubscribe("a*")
    await messages(pubsub, 3)
    await attempt("publish", r.publish("a", b"\0\r\n\xff"))
    await attempt("publish", r.publish("b", "x" * 100000))
    await messages(pubsub, 3)
    await pubsub.unsubscribe("b")
    await messages(pubsub, 1)
    await attempt("publish", r.publish("b", "nobody"))


async def reconnect(r, pubsub, how):
    tell(how)
    await attempt("down", r.get("a"))
    tell("start")
    await attempt("it is new", r.get("a"))
    await attempt("set", r.set("a", 1))
    await messages(pubsub, 2)
    await attempt("publish", r.publish("ab", "again"))
    await messages(pubsub, 1)


async def main():
    r = redis.asyncio.Redis(port=PORT, **OPTIONS)
    await attempt("flushall", r.flushall())
    await simple(r)
    await many_at_once(r)
    await pipelines(r)
    pubsub = r.pubsub()
    await topics(r, pubsub)
    await reconnect(r, pubsub, "stop")
    await reconnect(r, pubsub, "kill")
    await pubsub.close()
    await r.close()
    await r.connection_pool.disconnect()
    print("done")


asyncio.run(main())
