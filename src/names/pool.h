/* The threads of look-ups: few, made when they are needed, and never waited
 * for. SPDX-License-Identifier: BSD-3-Clause */
#ifndef ASYNCHAT_POOL_H
#define ASYNCHAT_POOL_H

#include <stdint.h>

/* The most threads, whatever hangs. */
#define POOL_MOST 64

/* For how long a running job counts among those of which there may be
 * `most`, in milliseconds. */
#define POOL_YOUNG 250

enum job_state { JOB_IDLE, JOB_WAITS, JOB_RUNS };

/* Something that a thread does. It is in one list, by its state. */
struct job {
    struct job *next, **at;
    enum job_state state;
    uint32_t began; /* when it has begun to run, by time_of_system() */
    /* Does it, on a thread, without the lock. */
    void (*run)(struct job *job);
    /* It is done. Has the lock; may free the job. */
    void (*done)(struct job *job);
};

/* Expects forks. To be called before everything else. 0 or -ENOMEM. */
int asynchat__pool_ready(void);

/* The lock, which guards everything here, and what the jobs work on. It is
 * taken before that of a mailbox. */
void asynchat__pool_lock(void);
void asynchat__pool_unlock(void);

/* --- to be called with the lock --- */

/* Has an idle job run, behind the others. 0; or -EAGAIN, if there is no thread
 * and none can be made: then the job is idle. */
int asynchat__pool_add(struct job *job);

/* Takes a job back that waits. */
void asynchat__pool_drop(struct job *job);

/* Sees to it that a thread takes the next job, if jobs wait and those that run
 * do not count any more. Answers the milliseconds until this may be so the next
 * time; UINT32_MAX if no job waits. */
uint32_t asynchat__pool_review(void);

#endif
