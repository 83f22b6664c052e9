/* Reply slots: places in a channel's output that are filled later, from any
 * thread. So answers leave in the order of the requests, whoever makes them,
 * and whichever of them is ready first.
 *
 *     static void request(struct asynchat_channel *ch, const void *data,
 *                         size_t len, void *arg)
 *     {
 *         struct asynchat_slot *slot;
 *         if (asynchat_reserve(ch, &slot) == 0)
 *             give_to_a_thread(arg, slot, data, len);
 *     }
 *
 *     static void answer(struct asynchat_slot *slot) // in that thread
 *     {
 *         asynchat_slot_push(slot, "part ", 5);
 *         asynchat_slot_push(slot, "by part\r\n", 9);
 *         asynchat_slot_finish(slot);
 *     }
 *
 * The rules:
 * - A slot belongs to the program from asynchat_reserve() until
 *   asynchat_slot_finish(), which is called exactly once for each slot, also
 *   when its channel is gone. The program may be done with a slot, with other
 *   slots, and with the channel in any order.
 * - Nothing of a slot leaves before all slots that were reserved earlier on the
 *   same channel are finished. The bytes of the first open slot go out as they
 *   come; other slots collect theirs. Whatever is pushed to the channel without
 *   a slot goes behind the slots that are reserved by then.
 * - To give a slot up, finish it with nothing pushed. Those behind it leave.
 * - When the channel ends, or its output is dropped as by
 *   asynchat_discard_buffers(), its slots are gone: the calls return
 *   ASYNCHAT_ECLOSED, and bytes that have not left are dropped.
 * - asynchat_close_when_done() and the other calls that wait for the output
 *   wait for open slots too. Nothing can be reserved after them. The linger
 *   time and write_idle do not run while the channel only waits for a slot.
 *   `idle` and `read_idle` do, unless reading is paused or the peer has ended
 *   its output: they should be longer than an answer takes. The time of
 *   asynchat_set_steady_deadline(), and the grace of asynchat_server_stop(),
 *   end the waiting in every case.
 * - An error does not wait for slots. If queued output is still sent after the
 *   error, as told at handle_error in channel.h, this is the output up to the
 *   first open slot, and what that slot has by then. What is behind that slot
 *   is dropped, since a peer would take it for what is missing. All slots are
 *   gone when handle_error is called, and what handle_error pushes is sent.
 * - asynchat_reserve() is called in the channel's own thread. The other calls
 *   about a slot may be made in any thread, and inside any callback, but for
 *   one slot in one thread at a time. The thread that has reserved the slot
 *   counts as the channel's own: there the bytes go straight into the queue.
 *   From other threads they go through a mailbox, as posts do: see post.h.
 * - The bytes of a slot count in asynchat_get_queued(), in marks and limits,
 *   and in the statistics. A transcript is told of them when they come into the
 *   queue, and not when it is their turn to leave.
 *
 * (Netty: HttpServerPipelineHandler. Python has nothing like it.)
 *
 * SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_SLOT_H
#define ASYNCHAT_SLOT_H

#include <asynchat/block.h>
#include <asynchat/channel.h>

ASYNCHAT_BEGIN_DECLS

struct asynchat_slot;

/* Reserves the next place in the channel's output, and gives the slot in *out.
 * On failure *out is unchanged, and the channel goes on, unless its output
 * limit is passed: as in any push, this ends the channel with ASYNCHAT_EFULL.
 * May be called in any callback. The first slot of a loop makes the loop's
 * mailbox: see asynchat_get_id(). Errors: -EINVAL (`ch` or `out` is NULL),
 * -ENOMEM, ASYNCHAT_ECLOSED (the channel has ended or ends by an error, or was
 * told to close when done), ASYNCHAT_EFULL (more than the output limit is
 * queued), -EAGAIN (1024 loops can already be posted to), and those of
 * eventfd(2). Since 0.1. */
ASYNCHAT_API ASYNCHAT_NODISCARD int asynchat_reserve(
    struct asynchat_channel *ch, struct asynchat_slot **out);

/* Adds `len` bytes to a slot. Copies. 0 bytes are allowed: they only ask
 * whether the channel is still there. May be called from any thread.
 *
 * If a call fails with -ENOMEM, ASYNCHAT_EFULL, or an error of write(2), bytes
 * are missing: the slot takes no more, and the channel ends with this error, at
 * once or when the slot is finished. Outside of the channel's own thread, 0
 * means that the bytes are under way. They are dropped if the channel ends
 * meanwhile.
 *
 * Errors: -EINVAL (`slot` or `data` is NULL, or `len` is impossible), -ENOMEM,
 * ASYNCHAT_ECLOSED (the slot is gone), ASYNCHAT_EFULL (more than the channel's
 * output limit is queued, or is under way from another thread), and those of
 * write(2). Since 0.1. */
ASYNCHAT_API int asynchat_slot_push(struct asynchat_slot *slot,
                                    const void *data, size_t len);

/* Adds the bytes of a block to a slot, without a copy, unless they are few.
 * Shares `block`: the program's share stays the program's in every case. May be
 * called from any thread. Errors: -EINVAL (`slot` or `block` is NULL), and
 * those of asynchat_slot_push(). Since 0.1. */
ASYNCHAT_API int asynchat_slot_push_shared(struct asynchat_slot *slot,
                                           struct asynchat_block *block);

/* Ends a slot: nothing more comes, and what is behind it may leave. Takes
 * `slot` in every case. If an earlier push to the slot has failed, the result
 * is the error of that push. A program that has nothing to do about an error
 * need not check the result. After an error of write(2), with which another
 * thread could not tell the loop, the slot stays open until the channel ends.
 * May be called from any thread. Errors: -EINVAL (`slot` is NULL),
 * ASYNCHAT_ECLOSED (the slot is gone), and those of asynchat_slot_push(). Since
 * 0.1. */
ASYNCHAT_API int asynchat_slot_finish(struct asynchat_slot *slot);

/* Sets the limit of slots: 1 or more, 100 unless set. A slot counts until it,
 * and every slot that was reserved before it, is finished. While as many slots
 * count as the limit says, reading is paused, as by asynchat_pause_reading();
 * it resumes by itself when one slot less counts. If the limit is reached in a
 * callback that delivers input, this callback is the last one. Reserving more
 * slots is allowed.
 *
 * A peer that sends requests and reads no answers can fill the slots, and then
 * waits until its answers are taken. Two programs that both write and do not
 * read would wait for each other for ever; write_idle ends that. Errors:
 * -EINVAL (`ch` is NULL, or the limit is 0), -ENOMEM. Since 0.1. */
ASYNCHAT_API int asynchat_set_slot_limit(struct asynchat_channel *ch,
                                         unsigned slots);
/* Returns the limit in force. Since 0.1. */
ASYNCHAT_API unsigned asynchat_get_slot_limit(
    const struct asynchat_channel *ch);

ASYNCHAT_END_DECLS

#endif
