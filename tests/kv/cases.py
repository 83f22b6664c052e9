"""The questions for kv and redis-server, and where their answers may differ: for compare.py.

SPDX-License-Identifier: BSD-3-Clause
"""
BIG = bytes(range(256)) * 800  # longer than one read, with every byte in it
LINE = "x" * 60000

# --- requests ---
#
# A text is words with spaces between them, sent as an array and as a line. A tuple is words with any bytes in them,
# sent as an array. Answers that differ each time have a rule: rule(name, request) names the rule, and compare.py
# defines it.


class Ruled:
    def __init__(self, name, request, replies):
        self.name, self.request, self.replies = name, request, replies


def rule(name, request, replies=1):
    return Ruled(name, request, replies)


# For each name the requests of one client, in order.
TALKS = {
    "ping and echo": ["PING", "ping", "PiNg hello", "PING a b", "ECHO hello", "ECHO", "ECHO a b", ("ECHO", b""),
                      ("ECHO", b"\0\r\n\xff"), ("PING", BIG), ("ECHO", BIG)],
    "a name without a command": ["FOO", "foo a b", "get|set", "client|id", "config|get save", ("",), (b"\r\n",),
                                 (b"a\r\nb", b"c\r\nd"), ("FOO", "x" * 300), ("x" * 300, "y"),
                                 ("FOO",) + ("arg",) * 60, (b"\xff\xfe", b"\x80"), (b"get\0", b"a"), (b"nul\0here", b"a\0b", "c")],
    "set and get": ["SET a 1", "GET a", "GET b", "SET a", "SET", "GET", "GET a b", "SET a 2", "GET a", ("SET", b"", b""),
                    ("GET", b""), ("SET", b"a\0b", b"\0\xff\r\n"), ("GET", b"a\0b"), ("GET", b"a\0c"), ("SET", "big", BIG),
                    ("GET", "big"), ("STRLEN", "big"), ("SET", "big", "small"), "GET big", "SET " + LINE + " 5",
                    "GET " + LINE],
    "set with options": ["SET a 1 NX", "SET a 2 nx", "GET a", "SET a 3 XX", "GET a", "SET b 1 xx", "GET b", "SET a 1 NX XX",
                         "SET a 1 EX", "SET a 1 PX", "SET a 1 EX 0", "SET a 1 EX -1", "SET a 1 PX 0", "SET a 1 EX x",
                         "SET a 1 EX 1.5", "SET a 1 EX 10 PX 10", "SET a 1 PX 10 EX 10", "SET a 1 EX 10 EX 10",
                         "SET a 1 EX 9223372036854775807", "SET a 1 EX 9223372036854775808",
                         "SET a 1 PX 9223372036854775807", "SET a 1 NY", "SET a 1 2", "GET a",
                         "SET a 4 EX 1000 XX", rule("seconds 1000", "TTL a"), "SET a 5 XX PX 500000",
                         rule("milliseconds 500000", "PTTL a"), rule("seconds 500", "TTL a"), "SET a 6", "TTL a",
                         "SET c 1 NX EX 100", rule("seconds 100", "TTL c"), "SET c 1 NX EX 200", rule("seconds 100", "TTL c"),
                         "SET a 1 XX XX", "SET a 1 NX NX", "SET d 1 EX 1 NX EX"],
    "getset": ["GETSET a 1", "GETSET a 2", "GET a", "GETSET a", "GETSET a b c", "SET a 1 EX 100", "GETSET a 2", "TTL a"],
    "del and exists": ["SET a 1", "SET b 2", "EXISTS a", "EXISTS a b c a", "DEL a", "DEL a", "DEL a b c b", "EXISTS a b", "DEL",
                       "EXISTS", "GET a", "DBSIZE"],
    "numbers": ["INCR n", "INCR n", "GET n", "DECR n", "DECR n", "DECR n", "GET n", "INCRBY n 10", "INCRBY n -20", "GET n",
                "INCRBY n 0", "INCRBY n x", "INCRBY n", "INCRBY n 1.0", "INCRBY n 9223372036854775808", "SET n 9223372036854775807",
                "INCR n", "INCRBY n 1", "DECR n", "INCRBY n -9223372036854775808", "SET n -9223372036854775808", "DECR n",
                "INCRBY n -1", "INCRBY n 9223372036854775807", "SET n abc", "INCR n", "INCRBY n 5", "GET n", "SET n 01", "INCR n",
                "SET n +1", "INCR n", ("SET", "n", " 1"), "INCR n", ("SET", "n", "1 "), "INCR n", ("SET", "n", ""), "INCR n",
                "SET n -0", "INCR n", "SET n -", "INCR n", "SET n -1", "INCR n", "SET n 9223372036854775808", "INCR n",
                "SET n -9223372036854775809", "INCR n", "SET n 99999999999999999999", "INCR n", ("SET", "n", b"1\0"), "INCR n",
                "SET n 5 EX 100", "INCR n", rule("seconds 100", "TTL n"), "INCR", "INCR a b", "DECR"],
    "append and strlen": ["APPEND a hello", "APPEND a world", "GET a", "STRLEN a", "STRLEN b", "STRLEN", "APPEND a", ("APPEND", "a", ""),
                          ("APPEND", "a", b"\0"), "STRLEN a", ("APPEND", "b", BIG), ("APPEND", "b", BIG), "GET b", ("APPEND", "b", "x"),
                          "STRLEN b", "SET n 5", "APPEND n 6", "INCR n", "SET t 1 EX 100", "APPEND t 2", rule("seconds 100", "TTL t")],
    "several at once": ["MSET a 1 b 2 c 3", "MGET a b c d a", "MSET a", "MSET a 1 b", "MSET", "MGET", "MGET a", "MSET a 1 a 2", "GET a",
                        ("MSET", b"\0", b"\xff", b"", b""), ("MGET", b"\0", b"", b"x"), "SET a 1 EX 100", "MSET a 2", "TTL a",
                        ("MSET",) + tuple(str(i) for i in range(200)), ("MGET",) + tuple(str(i) for i in range(200)),
                        ("MSET", "p", BIG, "q", BIG), ("MGET", "p", "x", "q", "p")],
    "times": ["EXPIRE a 10", "SET a 1", "TTL a", "PTTL a", "TTL b", "PTTL b", "EXPIRE a 100", rule("seconds 100", "TTL a"),
              rule("milliseconds 100000", "PTTL a"), "PERSIST a", "PERSIST a", "PERSIST b", "TTL a", "PEXPIRE a 100000",
              rule("seconds 100", "TTL a"), "EXPIRE a x", "EXPIRE a 1.5", "EXPIRE a", "EXPIRE", "EXPIRE a 9223372036854775807",
              "EXPIRE a -9223372036854775808", "EXPIRE a 9223372036854775808", "PEXPIRE a 9223372036854775807", "EXPIRE a 1 foo",
              "EXPIRE x 1 foo", rule("seconds 100", "TTL a"), "EXPIRE a 0", "GET a", "SET a 1", "EXPIRE a -1", "GET a", "EXISTS a",
              "SET a 1", "PEXPIRE a 0", "GET a", "SET a 1 EX 100", "DEL a", "SET a 1", "TTL a", "EXPIRE a 4611686018427387",
              rule("seconds 4611686018427387", "TTL a"), "TTL", "TTL a b", "PERSIST"],
    "keys": ["MSET one 1 two 2 three 3 four 4 five 5", "KEYS *", "KEYS t*", "KEYS *e",
             "KEYS *o*", "KEYS t??", "KEYS ?", "KEYS one", "KEYS ONE", "KEYS [ab]*", "KEYS [ot]*",
             "KEYS [^ft]*", "KEYS [a-o]*", "KEYS [o-a]*", "KEYS **", "KEYS *x*",
             "KEYS *o*e*", "KEYS t*r*e", ("KEYS", ""), "KEYS", "KEYS a b", "DBSIZE", "DBSIZE 1",
             ("MSET", "a*b", "1", "a?b", "2", "a[b", "3", "a\\b", "4", "a]b", "5", "a^b", "6", "a-b", "7", b"a\0b", "8", b"a\xffb", "9"),
             ("KEYS", "a\\*b"), ("KEYS", "a\\?b"), ("KEYS", "a\\[b"), ("KEYS", "a\\\\b"), ("KEYS", "a?b"),
             ("KEYS", "a[*?]b"), ("KEYS", "a[\\]]b"), ("KEYS", "a[^*]b"), ("KEYS", "a[^]b"), ("KEYS", "a[b"),
             ("KEYS", "a["), ("KEYS", "a[^"), ("KEYS", "a\\"), ("KEYS", "a[]b"), ("KEYS", "a[+--]b"), ("KEYS", "a[a-]b"),
             ("KEYS", "a[x-"), ("KEYS", b"a\0b"), ("KEYS", b"a[\0]b"), ("KEYS", b"a\xffb"), ("KEYS", b"a[\xf0-\xff]b"),
             ("KEYS", b"a[\x80-\x20]b"), ("KEYS", b"a[" + bytes(range(32, 91)) + b"^]b"),
             ("SET", "", "x"), "KEYS *", ("KEYS", ""), ("KEYS", "**"), ("SET", "a" * 60, "1"),
             ("KEYS", "a*" * 30 + "b"), ("KEYS", "a*" * 30)],
    "scan": ["SCAN 0", "MSET a1 1 a2 2 b1 3", rule("scan", "SCAN 0"), rule("scan", "SCAN 0 COUNT 1000"),
             rule("scan", "SCAN 0 MATCH a* COUNT 1000"), rule("scan", "SCAN 0 COUNT 1000 MATCH b?"), rule("scan", "SCAN 0 MATCH x* COUNT 99"),
             "SCAN x", "SCAN", "SCAN 0 COUNT", "SCAN 0 COUNT 0", "SCAN 0 COUNT -1", "SCAN 0 COUNT x", "SCAN 0 MATCH", "SCAN 0 FOO bar",
             "SCAN 0 FOO", rule("scan", "scan 0 match * count 100"), rule("scan", "SCAN 0 TYPE string COUNT 100"),
             rule("scan", "SCAN 0 COUNT 100 type hash MATCH a*"), "SCAN 0 TYPE", "SCAN 0 MATCH a* MATCH", ("SCAN", " 0"), ("SCAN", "1x")],
    "flush": ["MSET a 1 b 2", "DBSIZE", "FLUSHALL", "DBSIZE", "GET a", "SET a 1 EX 100", "FLUSHALL ASYNC", "DBSIZE", "FLUSHALL sync",
              "FLUSHALL foo", "FLUSHALL SYNC ASYNC", "SET a 1", "TTL a"],
    "publish to nobody": ["PUBLISH a b", "PUBLISH a", "PUBLISH", "PUBLISH a b c", ("PUBLISH", b"", b"\0")],
    "subscribed": ["SUBSCRIBE a", "SUBSCRIBE a", "SUBSCRIBE b c", "GET a", "SET a 1", "PUBLISH a b", "PING", "PING hello", "FOO", "GET",
                   "CONFIG GET save", "CONFIG FOO", "DBSIZE", "UNSUBSCRIBE b", "UNSUBSCRIBE b", "PSUBSCRIBE a* a* b?", "PUNSUBSCRIBE b?",
                   "UNSUBSCRIBE c", "UNSUBSCRIBE", "PUNSUBSCRIBE", "GET a", "UNSUBSCRIBE", "PUNSUBSCRIBE", "UNSUBSCRIBE x y",
                   "SUBSCRIBE", "PSUBSCRIBE", ("SUBSCRIBE", b"\0\r\n", b""), rule("in any order 2", "UNSUBSCRIBE", 2), "PING"],
    "all of several subscriptions": ["SUBSCRIBE a b c d", rule("in any order 4", "UNSUBSCRIBE", 4), "GET x", "PSUBSCRIBE a* b* c*",
                                     "SUBSCRIBE x", rule("in any order 3", "PUNSUBSCRIBE", 3), "GET x", "UNSUBSCRIBE x", "GET x"],
    "config": ["CONFIG GET save", "CONFIG GET appendonly", "CONFIG GET maxmemory", "CONFIG GET nosuch", "CONFIG", "CONFIG GET",
               "CONFIG FOO", "CONFIG FOO bar", "config get sav?", rule("sorted", "CONFIG GET save appendonly nosuch save"), ("CONFIG", "")],
    "the server": [rule("info", "INFO"), rule("info", "INFO everything"), rule("command", "COMMAND"), "COMMAND FOO", "COMMAND FOO bar"],
    "the client": [rule("id", "CLIENT ID"), "CLIENT GETNAME", "CLIENT SETNAME me", "CLIENT GETNAME", ("CLIENT", "SETNAME", "a b"),
                   ("CLIENT", "SETNAME", b"a\xffb"), "CLIENT GETNAME", ("CLIENT", "SETNAME", ""), "CLIENT GETNAME", "CLIENT", "CLIENT FOO",
                   "CLIENT ID x", "CLIENT SETNAME", "CLIENT GETNAME x", "client|id"],
    "select and hello": ["SELECT 0", "SELECT x", "SELECT 99", "SELECT -1", "SELECT 16", "SELECT", "SELECT 0 0", rule("hello", "HELLO"),
                         rule("hello", "HELLO 2"), "HELLO x", "HELLO 1", "HELLO 4", "HELLO 2 FOO", "HELLO 2 FOO bar"],
    "set that answers and keeps": ["SET a 1 GET", "SET a 2 GET", "SET a 3 NX GET", "GET a", "SET b 1 XX GET", "GET b", "SET a 4 EX 100",
                                   "SET a 5 KEEPTTL", rule("seconds 100", "TTL a"), "SET a 6 KEEPTTL EX 10", "SET a 6 EX 10 KEEPTTL",
                                   "SET a 6 get keepttl xx", rule("seconds 100", "TTL a"), "SET a 7 EXAT 99999999999",
                                   rule("far", "TTL a"), "SET a 8 PXAT 99999999999000", rule("far", "TTL a"), "SET a 9 EXAT 0", "SET a 9 EXAT -1",
                                   "SET a 9 EXAT x", "SET a 9 EXAT 1", "GET a", "SET a 1 PXAT 1", "EXISTS a", "SET a 1 EXAT 10 EX 10",
                                   "SET new 1 KEEPTTL", "TTL new", "SET a 1 GET GET", "SET a 2 EX 10 GET XX"],
    "setex and setnx": ["SETEX a 100 x", "GET a", rule("seconds 100", "TTL a"), "PSETEX a 100000 y", "GET a", rule("seconds 100", "TTL a"),
                        "SETEX a 0 x", "SETEX a -1 x", "SETEX a x x", "PSETEX a 0 x", "PSETEX a 9223372036854775807 x", "SETEX a 9223372036854775807 x",
                        "SETEX a 1", "SETEX a 1 2 3", "SETNX a z", "GET a", "SETNX b z", "GET b", "TTL b", "SETNX b", "SETNX b 1 2", "PSETEX"],
    "decrby": ["DECRBY n 5", "DECRBY n -20", "GET n", "DECRBY n x", "DECRBY n -9223372036854775808", "DECRBY n 9223372036854775807", "DECRBY n"],
    "type": ["TYPE a", "SET a 1", "TYPE a", "TYPE", "TYPE a b"],
    "expire with conditions": ["SET a 1", "EXPIRE a 100 XX", "EXPIRE a 100 NX", "EXPIRE a 200 NX", "EXPIRE a 50 GT", "EXPIRE a 200 GT",
                               rule("seconds 200", "TTL a"), "EXPIRE a 300 LT", "EXPIRE a 100 LT", rule("seconds 100", "TTL a"), "EXPIRE a 100 NX XX",
                               "EXPIRE a 100 NX GT", "EXPIRE a 100 GT LT", "EXPIRE a 90 XX GT", "EXPIRE a 400 xx gt", "EXPIRE a x NX", "EXPIRE a 100 FOO NX",
                               "EXPIRE a 100 NX FOO", "SET b 1", "EXPIRE b 100 GT", "EXPIRE b 100 LT", "PEXPIRE b 50000 LT", rule("seconds 50", "TTL b"),
                               "PEXPIRE none 100 NX", "EXPIRE b -1 NX", "EXPIRE b -1 LT", "EXISTS b", "PERSIST a NX"],
    "sections of the information": ["INFO nosuch", rule("section", "INFO server"), rule("section", "INFO replication"), rule("section", "INFO REPLICATION"),
                                    rule("section", "INFO keyspace"), "SET a 1", rule("section", "INFO keyspace"), rule("section", "INFO clients server"),
                                    rule("section", "INFO memory nosuch"), rule("section", "INFO default"), rule("section", "INFO all keyspace")],
    "the client's options": ["CLIENT NO-EVICT on", "CLIENT NO-EVICT OFF", "CLIENT NO-EVICT", "CLIENT NO-EVICT maybe", "client foo", "Config foo bar"],
    "errors with a client's words": [("EXPIRE", "a", "1", "x" * 300), ("EXPIRE", "a", "1", b"no\r\n\r"), ("EXPIRE", "a", "1", b"\r\nno"),
                                     ("HELLO", "3", "x" * 300), ("HELLO", "2", b"x\r\n"), "GET a"],
    "hello with options": [rule("hello", "HELLO 2 SETNAME x"), "CLIENT GETNAME", rule("hello", "HELLO 2 AUTH default any SETNAME y"), "CLIENT GETNAME",
                           "HELLO 2 SETNAME", "HELLO 2 AUTH default", "HELLO 2 AUTH nobody any", ("HELLO", "2", "SETNAME", "a b"), "HELLO 2 SETNAME z FOO",
                           "CLIENT GETNAME", "HELLO SETNAME x"],
    "a transaction": ["MULTI", "SET a 1", "INCR a", "GET a", "MGET a b", "EXEC", "GET a", "EXEC", "DISCARD", "MULTI", "MULTI", "SET a 5", "DISCARD", "GET a",
                      "MULTI", "EXEC", "MULTI", "PING", "PING x", "ECHO x", "DEL a a", "KEYS *", "SCAN 0", "EXEC", "MULTI x", "EXEC x", "DISCARD x"],
    "a transaction that is broken": ["MULTI", "SET a 1", "FOO", "SET a 2", "EXEC", "GET a", "MULTI", "SET a", "EXEC", "MULTI", "CONFIG FOO", "EXEC", "MULTI", "GET",
                                     "DISCARD", "MULTI", "SET a x", "INCR a", "SET b 1 NY", "GET a", "EXEC", "GET a"],
    "a transaction and what is not queued": ["MULTI", "WATCH a", "UNWATCH", "SET a 1", "EXEC", "MULTI", "SET a 2", "RESET", "EXEC", "GET a", "MULTI", "SUBSCRIBE a", "EXEC",
                                             "UNSUBSCRIBE a", "MULTI", "PUBLISH a b", "QUIT", "EXEC"],
    "watching": ["WATCH a", "SET a 1", "MULTI", "GET a", "EXEC", "MULTI", "GET a", "EXEC", "WATCH a", "MULTI", "SET a 2", "EXEC", "WATCH a", "SET a 3", "UNWATCH", "MULTI",
                 "GET a", "EXEC", "WATCH a b", "SET b 1", "DISCARD", "MULTI", "DISCARD", "MULTI", "GET b", "EXEC", "WATCH a", "FLUSHALL", "MULTI", "EXEC", "WATCH a",
                 "FLUSHALL", "MULTI", "EXEC", "WATCH a", "DEL a", "MULTI", "EXEC", "WATCH a", "APPEND a x", "MULTI", "EXEC", "WATCH a", "EXPIRE a 100", "MULTI", "EXEC",
                 "WATCH a", "PERSIST a", "MULTI", "EXEC", "WATCH a", "INCR n", "MULTI", "EXEC", "WATCH", "UNWATCH x", "WATCH a a", "MULTI", "EXEC",
                 "WATCH a", "GETSET a y", "MULTI", "EXEC", "WATCH a", "SETNX a z", "MULTI", "EXEC", "WATCH a", "EXPIRE a -1", "MULTI", "EXEC"],
    "reset": ["CLIENT SETNAME x", "MULTI", "SET a 1", "RESET", "CLIENT GETNAME", "GET a", "SUBSCRIBE a", "RESET", "GET a", "PING", "RESET x", rule("hello", "HELLO 3"), "RESET", "GET a"],
    "RESP3": [rule("hello", "HELLO 3"), "GET a", "SET a 1", "MGET a b", "SET a 2 NX", "SET c 1 XX GET", "CLIENT GETNAME", "CONFIG GET maxmemory", "CONFIG GET nosuch",
              rule("sorted map", "CONFIG GET save appendonly"), rule("section", "INFO keyspace"), "INFO nosuch", rule("command", "COMMAND"), "KEYS nosuch", "SCAN 0 MATCH nosuch",
              "INCR a", "TTL a", "EXISTS a b", "FOO", "MULTI", "GET a", "GET none", "EXEC", "WATCH a", "SET a 5", "MULTI", "GET a", "EXEC", rule("hello", "HELLO"),
              "HELLO 4", "GETSET none x", "TYPE a", rule("hello", "HELLO 2"), "GET none2"],
    "RESP3 and topics": [rule("hello", "HELLO 3"), "SUBSCRIBE a", "GET a", "PING", "PING x", "SET a 1", rule("pushes", "PUBLISH a b", 2), "PSUBSCRIBE a*",
                         rule("pushes", "PUBLISH a c", 3), "UNSUBSCRIBE a", "PUNSUBSCRIBE", "UNSUBSCRIBE", "UNSUBSCRIBE x y", "SUBSCRIBE x", rule("hello", "HELLO 2"), "GET a", "UNSUBSCRIBE",
                         rule("hello", "HELLO 3"), "SUBSCRIBE b", "QUIT", "PING"],
    "quit": ["SET a 1", "QUIT", "GET a"],
    "quit with words": ["quit now please", "PING"],
    "quit of a subscriber": ["SUBSCRIBE a", "QUIT", "PING"],
    "a browser": ["POST / HTTP/1.1", "PING"],
    "a browser's other line": ["Host: example", "PING"],
}

# Requests that are refused for lack of memory.
FULL = ["SET a 1", "GETSET a 1", "INCR a", "DECR a", "INCRBY a 5", "APPEND a 1", "MSET a 1", "SET a", "GET a", "DEL a", "EXPIRE a 1",
        "EXISTS a", "FLUSHALL", "PING", "CONFIG GET maxmemory", "DBSIZE", "SET a 1 FOO", "MULTI", "GET a", "EXEC", "MULTI", "DISCARD", "SETNX a 1", "SETEX a 1 1",
        "MULTI", "EXEC", "HELLO 4", "RESET"]

# --- bytes ---

PING = b"*1\r\n$4\r\nPING\r\n"


def array(*words):
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words)


# For each name the bytes that are sent as they are; then the client sends nothing more.
RAW = {
    "lines": b"PING\r\nPING\n  PING  \r\n\r\n\n \r\n\t\r\nECHO hello\nECHO\thello\r\nECHO \t hello \t \r\n\rPING\r\n",
    "quotes": b"ECHO \"a b\"\r\nECHO 'a b'\r\nECHO \"\"\r\nECHO ''\r\nECHO \"\\x41\\x00\\xff\\n\\r\\t\\b\\a\\\\\\\"\\q\\x4\\xzz\"\r\n"
              b"ECHO 'a\\'b\\n\\x41'\r\nECHO a\"b c\"\r\nECHO a'b c'\r\nECHO \"it's\"\r\nECHO 'say \"x\"'\r\nECHO a\\nb\r\n\"ECHO\" x\r\n"
              b"ECHO \"a\"\t\r\nECHO \"\\x4\"\r\nECHO \"\\x\"\r\nPING\r\n",
    "a double quote open": b'PING\r\nECHO "abc\r\nPING\r\n',
    "a single quote open": b"PING\r\nECHO 'abc\r\nPING\r\n",
    "a quote that a backslash keeps": b'ECHO "abc\\"\r\nPING\r\n',
    "a quote before a word": b'ECHO "abc"def\r\nPING\r\n',
    "a single quote before a word": b"ECHO 'abc'def\r\nPING\r\n",
    "a lone quote": b'"\r\nPING\r\n',
    "a quote in the name": b"PI'N'G\r\nPING\r\n",
    "arrays and lines": PING + b"PING\r\n" + array(b"ECHO", b"a\r\nb") + b"ECHO x\r\n" + array(b"PING", b"*1\r\n") + PING,
    "arrays of nothing": b"*0\r\n*-1\r\n*-10\r\n" + PING + b"*0\r\n" + b"PING\r\n",
    "words of nothing": b"*1\r\n$0\r\n\r\n*2\r\n$4\r\nECHO\r\n$0\r\n\r\n*3\r\n$3\r\nSET\r\n$0\r\n\r\n$0\r\n\r\n*2\r\n$3\r\nGET\r\n$0\r\n\r\n",
    "what is behind a word is not looked at": b"*2\r\n$4\r\nECHOxx$3\r\nabcyyPING\r\n*1\r\n$4\r\nPING\n\nPING\r\n",
    "no count": b"*\r\n" + PING,
    "a count that is none": b"*x\r\n" + PING,
    "a count with a sign": b"*+1\r\n" + PING,
    "a count with a nought before it": b"*01\r\n" + PING,
    "a count with a space": b"* 1\r\n" + PING,
    "a count with a space behind it": b"*1 \r\n" + PING,
    "a count that is no integer": b"*1.0\r\n" + PING,
    "a count too large": b"*2147483648\r\n" + PING,
    "a count far too large": b"*99999999999999999999\r\n" + PING,
    "a count too large below nought": b"*-99999999999999999999\r\n" + PING,
    "a count and no return": b"*1\n$4\r\nPING\r\n" + PING,
    "a count of counts": b"**1\r\n" + PING,
    "no length": b"*1\r\n$\r\n" + PING,
    "a length that is none": b"*1\r\n$x\r\n" + PING,
    "a length below nought": b"*1\r\n$-1\r\n" + PING,
    "a length with a sign": b"*1\r\n$+4\r\nPING\r\n" + PING,
    "a length with a nought before it": b"*1\r\n$04\r\nPING\r\n" + PING,
    "a length with a space": b"*1\r\n$ 4\r\nPING\r\n" + PING,
    "a length too large": b"*1\r\n$536870913\r\n" + PING,
    "a length far too large": b"*1\r\n$99999999999999999999\r\n" + PING,
    "a length too large for the second word": b"*2\r\n$4\r\nECHO\r\n$536870913\r\n" + PING,
    "a number instead of a length": b"*1\r\n:4\r\nPING\r\n" + PING,
    "a word instead of a length": b"*1\r\nPING\r\n" + PING,
    "an array in an array": b"*1\r\n*1\r\n$4\r\nPING\r\n" + PING,
    "an empty line instead of a length": b"*1\r\n\r\n" + PING,
    "a byte of 255 instead of a length": b"*1\r\n\xff4\r\n" + PING,
    "a length too large behind others": PING + b"SET a 1\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$x\r\n" + PING,
    "a line too long": b"x" * 100000,
    "a line far too long": b"PING\r\n" + b"x" * 300000,
    "a length line too long": b"*1\r\n$" + b"1" * 100000,
    "a count line too long": b"*" + b"1" * 65600,
    "a count of 65536 digits": b"*" + b"1" * 65536 + b"1" * 2000,
    "a nul on a line, and more": b"ECHO a\0\r\n" + PING * 10000,
    "a nul in a length, and more": b"*1\r\n$\0\r\n" + b"x" * 70000,
    "a nul in a count, and more": b"*\0\r\n" + b"x" * 70000,
    "a count and a newline": b"*1\n",
    "a length and a newline": b"*1\r\n$4\n",
    "a length and a newline, and more": b"*1\r\n$4\nPING\r\n",
    "no length and a newline, and more": b"*1\r\nx4\nPING\r\n",
    "a line of 60000": b"ECHO " + b"x" * 60000 + b"\r\n" + PING,
    "many": PING * 2000 + b"PING\r\n" * 2000,
    "many numbers": array(b"INCR", b"n") * 1000 + array(b"GET", b"n"),
    "many words": array(b"DEL", *[b"k%d" % i for i in range(5000)]) + PING,
    "an array of lines": array(b"PING\r\n") + array(b"\r\n") + array(b"*1\r\n$4\r\nPING\r\n"),
}

# Both wait for more, and say nothing.
SILENT = {
    "a nul on a line": b"ECHO a\0\r\n" + PING,
    "a nul in a count": b"*\0\r\n" + PING,
    "a nul in a length": b"*1\r\n!\0\r\n" + PING,
    "a count and a newline": b"*1\n",
    "a length and a newline": b"*1\r\n$4\n",
}

# Several clients: (client, request), in order.
TOGETHER = {
    "news": [(0, "SUBSCRIBE a b"), (1, "PUBLISH a hello"), (1, "PUBLISH b world"), (1, "PUBLISH c nobody"), (0, "UNSUBSCRIBE a"),
             (1, "PUBLISH a gone"), (1, ("PUBLISH", "b", BIG)), (1, ("PUBLISH", "b", b"\0\r\n")), (0, "PING")],
    "news by pattern": [(0, "PSUBSCRIBE n.*"), (2, "PSUBSCRIBE n.[ab]"), (2, "SUBSCRIBE n.a"), (1, "PUBLISH n.a 1"),
                        (1, "PUBLISH n.b 2"), (1, "PUBLISH n.cc 3"), (1, "PUBLISH m 4"), (0, "PUNSUBSCRIBE x"), (1, "PUBLISH n.a 5"),
                        (2, "UNSUBSCRIBE"), (1, "PUBLISH n.a 6"), (2, "PUNSUBSCRIBE"), (1, "PUBLISH n.a 7"), (0, "PING x")],
    "one of two that listen leaves": [(0, "SUBSCRIBE a b"), (2, "SUBSCRIBE a"), (2, "UNSUBSCRIBE a"), (1, "PUBLISH a 1"),
                                      (0, "UNSUBSCRIBE a"), (1, "PUBLISH a 2"), (1, "PUBLISH b 3")],
    "a subscriber goes": [(0, "SUBSCRIBE a"), (1, "PUBLISH a 1"), (0, "QUIT"), (1, "PUBLISH a 2")],
    "one writes, one reads": [(0, "SET a 1"), (1, "GET a"), (1, "INCR a"), (0, "GET a"), (2, "FLUSHALL"), (0, "GET a"), (1, "DBSIZE")],
    "each has its own name": [(0, "CLIENT SETNAME x"), (1, "CLIENT GETNAME"), (0, "CLIENT GETNAME"), (1, "CLIENT SETNAME y"),
                              (0, "CLIENT GETNAME")],
    "a watched key is set by another": [(0, "WATCH a"), (1, "SET a 1"), (0, b"MULTI\r\nGET a\r\n"), (0, "EXEC"), (0, "WATCH a b"), (1, "GET a"),
                                        (0, b"MULTI\r\nGET a\r\n"), (1, "SET c 1"), (0, b"EXEC\r\nWATCH a\r\nMULTI\r\nSET a 2\r\n"), (1, "SET a 3"),
                                        (0, "EXEC"), (1, "GET a"), (0, b"WATCH a\r\nMULTI\r\n"), (2, "FLUSHALL"), (0, "EXEC"),
                                        (0, b"WATCH a\r\nMULTI\r\n"), (2, "FLUSHALL"), (0, "EXEC")],
    "RESP3 and RESP2 listen": [(0, "HELLO 3 SETNAME x"), (0, "SUBSCRIBE a"), (1, "SUBSCRIBE a"), (1, "PSUBSCRIBE *"), (2, "PUBLISH a 1"), (0, "GET x"), (0, "PING"),
                               (2, ("PUBLISH", "a", BIG)), (0, "PUBLISH a 2"), (0, "UNSUBSCRIBE"), (2, "PUBLISH a 3"), (1, "PUNSUBSCRIBE"), (1, "UNSUBSCRIBE")],
    "a half request waits while others are served": [(0, b"*3\r\n$3\r\nSET\r\n$1\r"), (1, "SET b 1"), (1, "GET a"),
                                                     (0, b"\na\r\n$2\r\n12\r\n"), (1, "GET a")],
}

# --- where they differ, on purpose ---

# name: (the reason, what is sent, what kv answers). redis-server must not answer the same.
DIFFERENCES = {
    "a return that no newline follows": (
        "Redis takes any byte behind the first return for the newline; kv lines end with a newline",
        b"*1\rx$4\r\nPING\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
    "a length without an array": (
        "Redis takes it for a line, and what follows for the next one; in kv a length and its word are one message",
        b"$4\r\nPING\r\n", b"-ERR unknown command '$4', with args beginning with: \r\n"),
    "a cursor that is no number of kv's": (
        "Redis reads cursors with strtoul, which takes an empty one", b"SCAN ''\r\n", b"-ERR invalid cursor\r\n"),
    "another database": ("kv has one", b"SELECT 1\r\n", b"-ERR DB index is out of range\r\n"),
    "the number of commands": (
        "not there: COMMAND says them all", b"COMMAND COUNT\r\n", b"-ERR unknown subcommand 'COUNT'. Try COMMAND HELP.\r\n"),
    "a command of Redis's": (
        "kv has those of strings, keys and topics", b"LPUSH a b\r\n",
        b"-ERR unknown command 'LPUSH', with args beginning with: 'a' 'b' \r\n"),
    "names of libraries": ("of Redis 7.2", b"CLIENT SETINFO lib-name x\r\nCLIENT SETINFO x y\r\n", b"+OK\r\n-ERR syntax error\r\n"),
    "help": ("not there", b"CLIENT HELP\r\n", b"-ERR unknown subcommand 'HELP'. Try CLIENT HELP.\r\n"),
    "config in capitals": (
        "names of parameters are as they are written", b"CONFIG GET SAVE\r\n", b"*0\r\n"),
    "all of the configuration": ("kv has three parameters", b"CONFIG GET *\r\n", None),
}
