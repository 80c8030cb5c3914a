/* A client's object is ceded to its receive, and its handle read from it afterwards. */
#include "programs.h"

struct client {
    cede_handle stream;
    cede_req recv;
};

extern cede_pool *pool;
void on_item(cede_req *, cede_result);

void on_client(cede_req *req, cede_result item)
{
    struct client *c = malloc(sizeof *c);
    (void)req;
    if (!c) {
        cede_drop(item.handle);
        return;
    }
    c->stream = item.handle;
    cede_prep_recv_many(&c->recv, c->stream, pool, CEDE_CREDIT_ALL, on_item);
    (void)cede_submit(loop, &c->recv, on_done);
    CEDE_GONE(c);
    cede_drop(c->stream); /* BAD */
}
