"""redis-py: redis_py.py [PROTOCOL] PORT. SPDX-License-Identifier: BSD-3-Clause"""
import sys

import redis
from judge import EVERY_BYTE, say, tell

PORT = int(sys.argv[-1])
OPTIONS = {"protocol": int(sys.argv[1])} if len(sys.argv) > 2 else {}


def attempt(what, f, *args, **kwargs):
    """Says what came, or which error."""
    try:
        say(what, f(*args, **kwargs))
    except redis.RedisError as problem:
        say(what, f"{type(problem).__name__}: {problem}")


def simple(r):
    attempt("ping", r.ping)
    attempt("set", r.set, "a", 1)
    attempt("get", r.get, "a")
    attempt("get none", r.get, "none")
    attempt("incr", r.incr, "a")
    attempt("set nx", r.set, "a", 2, nx=True)
    attempt("set get", r.set, "a", 3, get=True)
    attempt("set ex", r.set, "t", "x", ex=100)
    say("ttl", 90 < r.ttl("t") <= 100)
    attempt("expire nx", r.expire, "t", 200, nx=True)
    attempt("persist", r.persist, "t")
    attempt("setex", r.setex, "t", 100, "y")
    attempt("mset", r.mset, {"m1": 1, "m2": 2})
    attempt("mget", r.mget, "m1", "m2", "none", "a")
    attempt("append", r.append, "m1", "more")
    attempt("strlen", r.strlen, "m1")
    attempt("type", r.type, "m1")
    attempt("exists", r.exists, "m1", "none", "m2")
    attempt("set big", r.set, "big", EVERY_BYTE)
    say("get big", r.get("big") == EVERY_BYTE)
    attempt("not a number", r.incr, "big")
    attempt("unknown", r.execute_command, "NOSUCH", "a", "b")
    attempt("arguments", r.execute_command, "GET")
    attempt("keys", lambda: sorted(r.keys("m*")))
    attempt("scan_iter", lambda: sorted(r.scan_iter("m?", count=1)))
    attempt("delete", r.delete, "big", "none")
    attempt("dbsize", r.dbsize)
    attempt("setname", r.client_setname, "me")
    attempt("config_get", r.config_get, "appendonly")
    attempt("info", lambda: r.info("replication")["role"])
    attempt("info server", lambda: r.info("server")["redis_version"])
    attempt("info memory", lambda: type(r.info()["used_memory"]))


def pipelines(r):
    p = r.pipeline(transaction=False)
    for i in range(1000):
        p.set(f"p{i}", i)
        p.get(f"p{i}")
    got = p.execute()
    say("pipeline", (len(got), set(got[::2]), got[1::2] == [b"%d" % i for i in range(1000)]))
    p.set("text", "x").incr("text").get("text")
    say("error in a pipeline", p.execute(raise_on_error=False))


def transactions(r):
    p = r.pipeline()
    p.set("n", 1).incr("n").mget("n", "none")
    attempt("transaction", p.execute)
    p.set("text", "x").incr("text").get("text")
    say("error in a transaction", p.execute(raise_on_error=False))
    p.set("text", "y").execute_command("NOSUCH")
    attempt("unknown in a transaction", p.execute)
    attempt("discarded", r.get, "text")
    attempt("nothing", r.pipeline().execute)
    p.watch("n")
    r.set("n", 10)
    p.multi()
    p.incr("n")
    attempt("watched", p.execute)
    attempt("transaction()", r.transaction, lambda p: (p.multi(), p.incr("n")), "n")


def messages(pubsub, count):
    """The next ones; waits for each. A connection that is lost is an error, once, in some versions."""
    while count > 0:
        try:
            message = pubsub.get_message(timeout=10)
            say("message", message and sorted(message.items()))
            count -= 1
        except redis.ConnectionError as problem:
            say("message", problem)


def topics(r, pubsub):
    pubsub.subscribe("a", "b")
    pubsub.psubscribe("a*")
    messages(pubsub, 3)
    attempt("publish", r.publish, "a", b"\0\r\n\xff")
    attempt("publish", r.publish, "b", "x" * 100000)
    messages(pubsub, 3)
    pubsub.ping("still there")
    messages(pubsub, 1)
    pubsub.unsubscribe("b")
    messages(pubsub, 1)
    attempt("publish", r.publish, "b", "nobody")


def reconnect(r, pubsub, how):
    tell(how)
    attempt("down", r.get, "a")
    tell("start")
    attempt("it is new", r.get, "a")
    attempt("set", r.set, "a", 1)
    messages(pubsub, 2)
    attempt("publish", r.publish, "ab", "again")
    messages(pubsub, 1)


def main():
    r = redis.Redis(port=PORT, **OPTIONS)
    attempt("flushall", r.flushall)
    simple(r)
    pipelines(r)
    transactions(r)
    pubsub = r.pubsub()
    topics(r, pubsub)
    reconnect(r, pubsub, "stop")
    reconnect(r, pubsub, "kill")
    r.close()
    print("done")


main()
