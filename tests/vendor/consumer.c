/*
 * A small program of somebody who uses cede: a request without the kernel, and a file read. Prints
 * what came back; the test compares it.
 */
#include <stdio.h>
#include <string.h>

#include "cede/cede.h"

struct reading {
    cede_req open;
    cede_req read;
    cede_loop *loop;
    cede_handle file;
    char text[64];
};

static void on_nop(cede_req *req, cede_result r)
{
    (void)req;
    printf("nop: %s\n", cede_strerror(r.status));
}

static void on_read(cede_req *req, cede_result r)
{
    struct reading *reading = CEDE_CONTAINER(req, struct reading, read);
    printf("read: %s, %d bytes: %.*s\n", cede_strerror(r.status), (int)r.count, (int)r.count,
           reading->text);
    cede_drop(reading->file);
}

static void on_open(cede_req *req, cede_result r)
{
    struct reading *reading = CEDE_CONTAINER(req, struct reading, open);
    if (r.status) {
        printf("open: %s\n", cede_strerror(r.status));
        return;
    }
    reading->file = r.handle;
    cede_prep_read(&reading->read, r.handle, reading->text, sizeof reading->text, 0);
    cede_submit(reading->loop, &reading->read, on_read);
}

int main(int argc, char **argv)
{
    static struct reading reading;
    static cede_req nop;
    char why[512] = "";
    cede_options options = CEDE_OPTIONS_INIT;
    cede_status status;

    if (argc != 2 || cede_version() != CEDE_VERSION)
        return 2;
    options.why = why;
    options.why_bytes = sizeof why;
    status = cede_loop_open(&options, &reading.loop);
    if (status) {
        printf("no loop: %s\n", why);
        return status == CEDE_EPERM || status == CEDE_ENOTSUP ? 77 : 1;
    }
    cede_prep_nop(&nop);
    cede_submit(reading.loop, &nop, on_nop);
    cede_prep_open(&reading.open, argv[1], CEDE_OPEN_READ, 0);
    cede_submit(reading.loop, &reading.open, on_open);
    (void)cede_run(reading.loop, CEDE_FOREVER);
    return cede_loop_close(reading.loop, CEDE_FOREVER) ? 1 : 0;
}
