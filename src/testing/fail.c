/* What happens when something is not as expected.
 * SPDX-License-Identifier: BSD-3-Clause */
#include "testing/test.h"

#include <stdio.h>
#include <stdlib.h>

static struct {
    void (*fail)(const char *file, int line, const char *text);
    const char *file;
    int line;
} fail_hook = {NULL, "?", 0};

void asynchat_test_set_fail(void (*fail)(const char *file, int line,
                                         const char *text))
{
    fail_hook.fail = fail;
}

void asynchat_test_at(const char *file, int line)
{
    fail_hook.file = file;
    fail_hook.line = line;
}

const char *asynchat__fail_file(void)
{
    return fail_hook.file;
}

int asynchat__fail_line(void)
{
    return fail_hook.line;
}

void asynchat__fail_at(const char *file, int line, const char *text)
{
    if (fail_hook.fail) {
        fail_hook.fail(file, line, text);
        return;
    }
    (void)fprintf(stderr, "%s:%d: %s\n", file, line, text);
    abort();
}

/* Whoever runs the conversation tells of the failure when the conversation has
 * returned. If the program has made the test itself, nobody else does. */
void asynchat__fail(struct run *run, struct text *text)
{
    if (run->failed) {
        asynchat__text_free(text);
        return;
    }
    run->over = run->failed = true;
    run->failure = *text;
    run->file = fail_hook.file;
    run->line = fail_hook.line;
    if (!run->talk)
        asynchat__fail_at(run->file, run->line, asynchat__text(&run->failure));
}

void asynchat__fail_why(struct run *run, const char *why)
{
    struct text text = {NULL, 0, 0};
    asynchat__text_say(&text, "%s", why);
    asynchat__fail(run, &text);
}

void asynchat__run_free(struct run *run)
{
    asynchat__text_free(&run->failure);
    asynchat__text_free(&run->fed);
    asynchat__text_free(&run->record);
    for (size_t i = 0; i < RUN_HEARD; i++)
        asynchat__text_free(&run->heard[i]);
}

/* The text lives on, since the program may leave by longjmp. */
void asynchat__run_tell(struct run *run, const char *file, int line,
                        const char *where)
{
    static struct text report;
    asynchat__text_clear(&report);
    asynchat__text_say(&report, "%s%s", where, *where ? ": " : "");
    asynchat__text_add(&report, asynchat__text(&run->failure),
                       run->failure.len);
    asynchat__run_free(run);
    asynchat__fail_at(file, line, report.bytes);
}
