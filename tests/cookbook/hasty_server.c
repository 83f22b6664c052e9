/* The line server as it is often written at first: each read is taken for whole
 * lines. The recipe for tests has to notice.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <asynchat.h>

#include <string.h>

static void start(struct asynchat_channel *ch, void *arg)
{
    (void)arg;
    asynchat_push(ch, "220 hello\r\n", 11);
    if (asynchat_set_timeouts(ch, &(struct asynchat_timeouts){
                                      .size = sizeof(struct asynchat_timeouts),
                                      .read_idle = 300000,
                                      .write_idle = 60000}) < 0)
        asynchat_close(ch);
}

static void collect(struct asynchat_channel *ch, const void *data, size_t len,
                    void *arg)
{
    const char *line = data, *end;
    (void)arg;
    for (; (end = memchr(line, '\n', len)); line = end + 1) {
        size_t n = (size_t)(end - line);
        len -= n + 1;
        n -= n > 0 && line[n - 1] == '\r';
        if (n == 4 && memcmp(line, "QUIT", 4) == 0) {
            asynchat_push(ch, "221 bye\r\n", 9);
            asynchat_close_after(ch);
            return;
        }
        asynchat_push_printf(ch, "250 %zu bytes\r\n", n);
    }
}

const struct asynchat_handler line_server = {.size = sizeof line_server,
                                             .handle_connect = start,
                                             .collect_incoming_data = collect};
