/*
 * cede-echo: the smallest server. Sends back what it is sent, until Ctrl-C.
 *
 *     cede-echo [ADDRESS [CLIENTS]]
 *
 * ADDRESS is 127.0.0.1:7777 if none is given; with port 0 the system picks one. With CLIENTS it
 * takes so many, and ends with the last of them.
 *
 * Three things to see. An idle client costs the server one request: buffers come from a pool when
 * there is data. What came goes back from the buffer that it came in, by a request that lives in
 * the headroom before it, so nothing is copied and nothing allocated. And a client that does not
 * read its echo holds as many buffers as its credit, and no more is received from it until it does:
 * by itself, and without holding up others, as long as the pool has buffers for all such clients.
 */
#include "example_args.h"
#include "example_os.h"

#include <stdio.h>
#include <stdlib.h>

#define BUFFERS      256
#define CREDIT       4 /* of one client's; a client that reads has its buffers back at once */
#define BUFFER_BYTES 16384

static const char usage[] =
    "usage: cede-echo [ADDRESS [CLIENTS]]\n"
    "Sends back what it is sent, at 127.0.0.1:7777 if no address is given, until Ctrl-C or, if\n"
    "their number is given, to the last of so many clients.\n";

typedef struct client {
    cede_req recv; /* then the shutdown */
    cede_handle handle;
} client;

/* What lies in the headroom of a buffer. */
typedef struct echo {
    cede_req send;
} echo;

static cede_loop *loop;
static cede_pool *pool;
static cede_ticket accepting;
static unsigned long clients; /* to come; 0: without end */

static void stop(void)
{
    cede_stop(loop);
}

static void on_sent(cede_req *req, cede_result r)
{
    (void)req;
    cede_pool_give(pool, r.buffer); /* and with it, this request: the final act */
}

/* Goes back behind what went before: the library keeps the order. */
static void on_data(cede_req *req, cede_result item)
{
    client *c = CEDE_CONTAINER(req, client, recv);
    echo *e = (echo *)((char *)item.buffer - sizeof(echo));
    cede_prep_send_all(&e->send, c->handle, item.buffer, item.count);
    cede_submit(loop, &e->send, on_sent);
}

static void on_shut(cede_req *req, cede_result r)
{
    client *c = CEDE_CONTAINER(req, client, recv);
    (void)r;
    cede_drop(c->handle);
    free(c);
}

/* The client has sent all, or is gone. A shutdown takes its turn behind the echoes. */
static void on_end(cede_req *req, cede_result r)
{
    client *c = CEDE_CONTAINER(req, client, recv);
    (void)r;
    cede_prep_shutdown(&c->recv, c->handle);
    cede_submit(loop, &c->recv, on_shut);
}

static void on_client(cede_req *req, cede_result item)
{
    client *c;
    (void)req;
    if (!item.handle) { /* no descriptors left: it goes on by itself when there are */
        fprintf(stderr, "cede-echo: %s\n", cede_strerror(item.status));
        return;
    }
    c = malloc(sizeof *c);
    if (!c) {
        fprintf(stderr, "cede-echo: a client was turned away: out of memory\n");
        cede_drop(item.handle);
        return;
    }
    if (clients && --clients == 0)
        cede_cancel(accepting); /* nothing is left then but the clients: the run ends with them */
    c->handle = item.handle;
    cede_prep_recv_many(&c->recv, c->handle, pool, CREDIT, on_data);
    cede_submit(loop, &c->recv, on_end);
}

static cede_result last; /* of the two requests before there is a client, and of the accept */

static void on_done(cede_req *req, cede_result r)
{
    (void)req;
    last = r;
}

static cede_status wait_for(cede_req *req)
{
    cede_wait(loop, cede_submit(loop, req, on_done), CEDE_FOREVER);
    return last.status;
}

static int fail(const char *what, cede_status status)
{
    fprintf(stderr, "cede-echo: %s: %s\n", what, cede_strerror(status));
    return 1;
}

int main(int count, char **words)
{
    const char *where = "127.0.0.1:7777";
    char text[CEDE_ADDRESS_TEXT];
    cede_address at;
    cede_handle listener;
    cede_req req;
    cede_status status, accepted;
    int code = 0;
    os_begin(&count, &words);
    if (args_help(count, words, usage))
        return 0;
    if (count > 1)
        where = words[1];
    if (count > 2)
        clients = strtoul(words[2], NULL, 10);
    if (cede_address_parse(where, 7777, &at))
        return fail(where, CEDE_EINVAL);
    status = cede_loop_open(NULL, &loop);
    if (status)
        return fail("no loop", status);
    status = cede_pool_open(loop, BUFFERS, BUFFER_BYTES, sizeof(echo), &pool);
    if (status)
        return fail("no buffers", status);
    os_on_interrupt(stop);
    cede_prep_listen(&req, &at, 0, CEDE_LISTEN_REPLACE);
    if (wait_for(&req))
        return fail(where, last.status);
    listener = last.handle;
    cede_prep_name(&req, listener, CEDE_NAME_OWN, &at);
    if (wait_for(&req))
        return fail(where, last.status);
    cede_address_print(&at, text, sizeof text);
    printf("listening at %s\n", at.family == CEDE_ADDRESS_LOCAL ? where : text);
    fflush(stdout);
    cede_prep_accept_many(&req, listener, on_client);
    accepting = cede_submit(loop, &req, on_done);
    if (cede_run(loop, CEDE_FOREVER) < 0)
        code = fail("the loop", CEDE_EUNKNOWN);
    accepted = last.status;
    os_on_interrupt(NULL);
    status = cede_loop_close(loop, 5 * CEDE_SECOND); /* ends every client; each on_end runs */
    cede_pool_close(pool);
    if (accepted != CEDE_OK && accepted != CEDE_ECANCELED)
        return fail("no more clients", accepted);
    return status ? fail("close", status) : code;
}
