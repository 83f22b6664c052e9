/* A web server on libevent's evhttp: evhttp PORT FOLDER, for httpd.py. It gives
 * the same answers as examples/httpd: /hello, and the files in the folder.
 * SPDX-License-Identifier: BSD-3-Clause */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>

static int root;

static void set(struct evhttp_request *request, const char *name,
                const char *value)
{
    evhttp_add_header(evhttp_request_get_output_headers(request), name, value);
}

static void answer_hello(struct evhttp_request *request, void *arg)
{
    (void)arg;
    struct evbuffer *body = evhttp_request_get_output_buffer(request);
    set(request, "Content-Type", "text/plain");
    evbuffer_add(body, "Hello, World!", 13);
    evhttp_send_reply(request, 200, "OK", NULL);
}

static int add_file(struct evbuffer *body, const char *name)
{
    struct stat about;
    int fd = openat(root, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (fstat(fd, &about) == 0 && S_ISREG(about.st_mode))
        return evbuffer_add_file(body, fd, 0, about.st_size);
    close(fd);
    return -1;
}

static void answer_file(struct evhttp_request *request, void *arg)
{
    (void)arg;
    const char *name = evhttp_request_get_uri(request) + 1;
    set(request, "Content-Type", "application/octet-stream");
    if (strchr(name, '/') ||
        add_file(evhttp_request_get_output_buffer(request), name) < 0)
        evhttp_send_error(request, HTTP_NOTFOUND, NULL);
    else
        evhttp_send_reply(request, 200, "OK", NULL);
}

int main(int argc, char **argv)
{
    struct event_base *base = event_base_new();
    struct evhttp *http = base ? evhttp_new(base) : NULL;
    signal(SIGPIPE, SIG_IGN); /* a client may hang up */
    root = argc == 3 ? open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    if (!http || root < 0 ||
        evhttp_bind_socket(http, "127.0.0.1", (ev_uint16_t)atoi(argv[1])) < 0) {
        fprintf(stderr, "usage: evhttp PORT FOLDER\n");
        return 2;
    }
    evhttp_set_cb(http, "/hello", answer_hello, NULL);
    evhttp_set_gencb(http, answer_file, NULL);
    return event_base_dispatch(base);
}
