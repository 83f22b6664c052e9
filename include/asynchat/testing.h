/* Testing: a scripted peer for a program's handlers, in memory, with a clock
 * that moves only when it is told to. A library of its own:
 * -lasynchat-testing -lasynchat -levent_core.
 *
 *     static void shouts(struct asynchat_test *t, void *arg)
 *     {
 *         asynchat_test_open(t, &handler, arg);
 *         asynchat_test_hear(t, "220 hello\r\n");
 *         asynchat_test_say(t, "abc\r\nQUIT\r\n");
 *         asynchat_test_hear(t, "ABC\r\nQUIT\r\n");
 *         asynchat_test_expect_closed(t, 0);
 *     }
 *
 *     static void test_shouting(void)
 *     {
 *         asynchat_test_run(shouts, NULL);
 *         asynchat_test_cuts(shouts, NULL);
 *         asynchat_test_faults(shouts, NULL, ASYNCHAT_TEST_RESET);
 *     }
 *
 * What everyone must know:
 * - A conversation, such as `shouts`, is a function that opens a channel and
 *   says what the peer does and what it expects. It runs once, or again and
 *   again: at every cut of what the peer sends, and with every fault. So it has
 *   to do the same each time.
 * - Each step of the peer runs the loop until nothing moves any more. What is
 *   expected has then happened, or will not happen. If something moves for
 *   ever, such as two channels that answer each other, the step fails after
 *   100000 passes of the loop.
 * - Time passes by asynchat_test_advance() alone. It goes from timer to timer:
 *   a day of timeouts takes no time, and what one timer sends has arrived
 *   before the next one fires. Timers that the program gives to libevent itself
 *   go by the system's clock.
 * - When something is not as expected, the function of
 *   asynchat_test_set_fail() is called with a text that says what and where.
 *   Unless set, the text is printed, and abort(3) called. Plain asserts, cmocka
 *   and check all work with that.
 * - A conversation that fails, or in which a fault has ended the channel, is
 *   over: further steps do nothing. A program that checks things of its own
 *   asks asynchat_test_is_over() first.
 * - Whoever links this library has its functions for the memory of libasynchat
 *   and of libevent: they count, and call malloc and free. A program that sets
 *   others has no faults of memory. In libevent's debug mode, libevent itself
 *   ends the process when an event gets no memory: no faults of memory there.
 * - If the program sets another handler by asynchat_set_handler(), that one is
 *   watched too: at once if it is set in a callback of the channel itself, and
 *   otherwise from the next function of this library on. asynchat_get_handler()
 *   returns a table that calls the program's, and can be set again.
 * - One thread only.
 *
 * (Netty: EmbeddedChannel. Twisted: StringTransport, task.Clock. Go: iotest.)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_TESTING_H
#define ASYNCHAT_TESTING_H

#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

/* A scripted peer, and the channel that it talks to. */
struct asynchat_test;

/* Runs the conversation once, with a fresh test, which is freed afterwards.
 * Since 0.1. */
ASYNCHAT_API void asynchat_test_run(void (*talk)(struct asynchat_test *t,
                                                 void *arg),
                                    void *arg);

/* Runs the conversation with what the peer sends cut in every possible place,
 * once for each; then cut behind every byte, and then 32 times in random
 * places. Between two pieces the loop runs until nothing moves any more. The
 * events of the channels and what the peers have heard must be the same as
 * without a cut: runs of data are joined, and handle_drained and
 * handle_pressure do not count. Fails with the smallest cut that makes a
 * difference, or if it takes several, with as few as possible. The seed of the
 * random places is in the text of a failure, and can be set by the environment
 * as ASYNCHAT_TEST_SEED. There is a run for each byte that is sent, so keep it
 * short. Since 0.1. */
ASYNCHAT_API void asynchat_test_cuts(void (*talk)(struct asynchat_test *t,
                                                  void *arg),
                                     void *arg);

/* What can go wrong, to be added up: */
enum {
    /* One allocation of libasynchat or of libevent fails, from the first one in
     * a callback on. The channel may end with an error, or end early, having
     * said nothing wrong. Otherwise everything must be as without the fault. */
    ASYNCHAT_TEST_ALLOC = 1,
    /* The peer resets the connection, before its first byte and behind each
     * byte. The channel must end. */
    ASYNCHAT_TEST_RESET = 2,
    /* The peer says and takes nothing more, and leaves the connection open, in
     * the same places. The channel must end by itself within a day. */
    ASYNCHAT_TEST_VANISH = 4,
    /* The peer takes a few bytes at a time: 1 to 16, and then powers of 2, less
     * than there are. Everything must be as without the fault. */
    ASYNCHAT_TEST_SHORT = 8
};

/* Runs the conversation with these faults, once with each fault in each of its
 * places, and returns how many places there were in all. Whatever the fault,
 * each channel must end when its peer is gone, and all memory must be given
 * back; until a peer resets or vanishes it must have heard the beginning of
 * what it hears otherwise. Fails with the first place in which that is not so,
 * and also if a fault has no place at all: a fault that is never reached proves
 * nothing. Since 0.1. */
ASYNCHAT_API unsigned long asynchat_test_faults(
    void (*talk)(struct asynchat_test *t, void *arg), void *arg,
    unsigned faults);

/* Runs the conversation with one fault in one place, the first of which is 1:
 * for a debugger. Fails if there is no such place. Since 0.1. */
ASYNCHAT_API void asynchat_test_fault(void (*talk)(struct asynchat_test *t,
                                                   void *arg),
                                      void *arg, unsigned fault,
                                      unsigned long place);

/* --- Making a test --- */

/* Makes a test with a loop and a clock of its own, which begins at 0. Never
 * returns NULL: without memory it fails. The caller frees it with
 * asynchat_test_free(). Since 0.1. */
ASYNCHAT_API struct asynchat_test *asynchat_test_new(void);

/* Makes another test, for one more peer, in the same loop and by the same
 * clock. The caller frees it with asynchat_test_free(). Since 0.1. */
ASYNCHAT_API struct asynchat_test *asynchat_test_beside(
    struct asynchat_test *t);

/* Makes a channel with this handler in the test's loop, connected to the peer,
 * and returns it, lent until it is gone. A test has one channel. Borrows the
 * handler until the channel is gone. handle_connect has been called when this
 * function returns. Since 0.1. */
ASYNCHAT_API struct asynchat_channel *asynchat_test_open(
    struct asynchat_test *t, const struct asynchat_handler *handler, void *arg);

/* Frees the test. The peer is gone then, and a channel that does not end for
 * that reason is freed. The loop goes with its last test. If a channel that
 * the program has made in the loop is still there, the loop stays until the
 * process ends. NULL is allowed. Since 0.1. */
ASYNCHAT_API void asynchat_test_free(struct asynchat_test *t);

/* Returns the event base of the test, lent until its last test is freed. Since
 * 0.1. */
ASYNCHAT_API struct event_base *asynchat_test_base(
    const struct asynchat_test *t);

/* Returns the channel, lent until it is gone, or NULL if there is none, or none
 * any more. Since 0.1. */
ASYNCHAT_API struct asynchat_channel *asynchat_test_channel(
    const struct asynchat_test *t);

/* Returns the peer's own channel, lent until it is gone, or NULL if there is
 * none, or none any more. It is there to be given a layer, such as TLS: see
 * asynchat_set_layer(). What is fed and heard are then plain bytes. Since
 * 0.1. */
ASYNCHAT_API struct asynchat_channel *asynchat_test_peer(
    const struct asynchat_test *t);

/* Returns 1 if the conversation is over, or else 0. Since 0.1. */
ASYNCHAT_API int asynchat_test_is_over(const struct asynchat_test *t);

/* --- What the peer does --- */

/* Sends bytes. Copies. Fails if the channel has ended its side. Since 0.1. */
ASYNCHAT_API void asynchat_test_feed(struct asynchat_test *t, const void *data,
                                     size_t len);

/* Sends a text. Copies. Since 0.1. */
ASYNCHAT_API void asynchat_test_say(struct asynchat_test *t, const char *text);

/* Ends the peer's side: the channel sees the end of file, and the peer goes on
 * hearing. Since 0.1. */
ASYNCHAT_API void asynchat_test_end(struct asynchat_test *t);

/* Resets the connection. Since 0.1. */
ASYNCHAT_API void asynchat_test_reset(struct asynchat_test *t);

/* Sets how many bytes the peer takes at a time; 0 stands for all that there
 * are, which is how it begins. Since 0.1. */
ASYNCHAT_API void asynchat_test_take(struct asynchat_test *t, size_t most);

/* Lets time pass, in milliseconds. What was fed before is delivered before the
 * first timer fires. Since 0.1. */
ASYNCHAT_API void asynchat_test_advance(struct asynchat_test *t,
                                        uint64_t milliseconds);

/* Returns the time, in milliseconds since the loop was made. Since 0.1. */
ASYNCHAT_API uint64_t asynchat_test_now(const struct asynchat_test *t);

/* Runs the loop until nothing moves any more: for a program that has called
 * something of the channel itself. Since 0.1. */
ASYNCHAT_API void asynchat_test_settle(struct asynchat_test *t);

/* --- What is expected --- */

/* The next bytes that the peer hears are these; others may follow. Since
 * 0.1. */
ASYNCHAT_API void asynchat_test_expect(struct asynchat_test *t,
                                       const void *data, size_t len);

/* The next thing that the peer hears is this text; more may follow. Since
 * 0.1. */
ASYNCHAT_API void asynchat_test_hear(struct asynchat_test *t, const char *text);

/* The peer has heard nothing but what was expected before. Since 0.1. */
ASYNCHAT_API void asynchat_test_expect_nothing(struct asynchat_test *t);

/* The peer has heard nothing but what was expected before, and the channel has
 * ended with this status: 0, ASYNCHAT_EOF or an error, as handle_close was
 * given it. If the program has freed the channel, any status will do. Since
 * 0.1. */
ASYNCHAT_API void asynchat_test_expect_closed(struct asynchat_test *t,
                                              int status);

/* Since the last call of this function, these callbacks were called, such as
 * "connect message(abc) eof close(ASYNCHAT_EOF)". Their names are connect,
 * data, found, message, eof, cut (an eof in the middle of a message), error,
 * close, idle and dropped. Bytes are as in C, and runs of data are joined.
 * Callbacks that the handler does not have are not there, but for close. Since
 * 0.1. */
ASYNCHAT_API void asynchat_test_expect_events(struct asynchat_test *t,
                                              const char *events);

/* --- When something is not as expected --- */

/* Sets the function that is called with the place in the program's source, and
 * a text of one or more lines. It may print the text and leave by longjmp, as
 * the functions of cmocka and check do; or return, and the conversation is
 * over. NULL stands for printing the text and calling abort(3).
 *
 *     static void fail(const char *file, int line, const char *text)
 *     {
 *         print_error("%s\n", text); // cmocka
 *         _fail(file, line);
 *     }
 *
 * Since 0.1. */
ASYNCHAT_API void asynchat_test_set_fail(void (*fail)(const char *file,
                                                      int line,
                                                      const char *text));

/* Notes the place in the program's source. The macros below call this
 * function. Since 0.1. */
ASYNCHAT_API void asynchat_test_at(const char *file, int line);

/* The place of a call. The names below stand for this and the function of the
 * same name. */
#define ASYNCHAT_TEST_HERE asynchat_test_at(__FILE__, __LINE__)
#define asynchat_test_run(talk, arg)                                           \
    (ASYNCHAT_TEST_HERE, asynchat_test_run(talk, arg))
#define asynchat_test_cuts(talk, arg)                                          \
    (ASYNCHAT_TEST_HERE, asynchat_test_cuts(talk, arg))
#define asynchat_test_faults(talk, arg, faults)                                \
    (ASYNCHAT_TEST_HERE, asynchat_test_faults(talk, arg, faults))
#define asynchat_test_fault(talk, arg, fault, place)                           \
    (ASYNCHAT_TEST_HERE, asynchat_test_fault(talk, arg, fault, place))
#define asynchat_test_open(t, handler, arg)                                    \
    (ASYNCHAT_TEST_HERE, asynchat_test_open(t, handler, arg))
#define asynchat_test_feed(t, data, len)                                       \
    (ASYNCHAT_TEST_HERE, asynchat_test_feed(t, data, len))
#define asynchat_test_say(t, text)                                             \
    (ASYNCHAT_TEST_HERE, asynchat_test_say(t, text))
#define asynchat_test_advance(t, milliseconds)                                 \
    (ASYNCHAT_TEST_HERE, asynchat_test_advance(t, milliseconds))
#define asynchat_test_expect(t, data, len)                                     \
    (ASYNCHAT_TEST_HERE, asynchat_test_expect(t, data, len))
#define asynchat_test_hear(t, text)                                            \
    (ASYNCHAT_TEST_HERE, asynchat_test_hear(t, text))
#define asynchat_test_expect_nothing(t)                                        \
    (ASYNCHAT_TEST_HERE, asynchat_test_expect_nothing(t))
#define asynchat_test_expect_closed(t, status)                                 \
    (ASYNCHAT_TEST_HERE, asynchat_test_expect_closed(t, status))
#define asynchat_test_expect_events(t, events)                                 \
    (ASYNCHAT_TEST_HERE, asynchat_test_expect_events(t, events))

ASYNCHAT_END_DECLS

#endif
