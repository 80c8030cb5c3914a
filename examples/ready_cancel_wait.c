/*
 * Ready... cancel... wait for it!
 *
 * A read is pending. The program has lost interest: it cancels, and would like to free the read's
 * memory and go home. It must not. Cancelling is a wish; until the system itself has said that the
 * operation is over, it may still write into the buffer. Only the completion callback knows that
 * moment, so only the callback frees, as its last act.
 *
 * Raymond Chen told the story for Windows ("Ready... cancel... wait for it!", The Old New Thing);
 * it is the same everywhere. Here it is told twice: first the cancel wins the race, then it comes
 * too late, and the bytes that had arrived are not lost. The code is the same both times, which is
 * the point.
 *
 * Each step in the life of the request prints a line.
 */
#include "example_os.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* One read: the request and all that it needs, in one allocation. */
struct reading {
    cede_req req;
    char buffer[64];
};

static void say(const char *step, const char *text)
{
    printf("%-9s %s\n", step, text);
}

/* The completion. From its first line the request and the buffer are ours again. */
static void on_read(cede_req *req, cede_result r)
{
    struct reading *reading = CEDE_CONTAINER(req, struct reading, req);

    printf("%-9s %s (%s), %" PRIu64 " bytes%s\n", "done", cede_status_name(r.status),
           cede_strerror(r.status), r.count,
           r.flags & CEDE_BY_WISH ? ", because of the cancel" : "");
    if (r.count)
        printf("%-9s what came before the cancel is here: \"%.*s\"\n", "", (int)r.count,
               reading->buffer);
    free(reading); /* the final act, and the only free in this program */
    say("freed", "by the callback, which alone knows that nobody writes into it any more");
}

static void on_written(cede_req *req, cede_result r)
{
    (void)req;
    printf("%-9s %" PRIu64 " bytes into the pipe: the read is ready\n", "written", r.count);
}

/* For cede_dump: what the library has in hand. */
static void show(void *ticket, const cede_pending *pending)
{
    const cede_ticket *mine = ticket;

    if (pending->ticket.id == mine->id && pending->ticket.generation == mine->generation)
        printf("%-9s the library has it: %s, %s%s\n", "", pending->op, pending->state,
               pending->wishes ? ", with a wish that it end" : "");
}

/* Cedes a read of an empty pipe. What is kept of it is its ticket, which is a name, no pointer. */
static cede_ticket start_reading(cede_loop *loop, cede_handle pipe)
{
    struct reading *reading = malloc(sizeof *reading);

    if (!reading) {
        fprintf(stderr, "no memory for a read\n");
        exit(1);
    }
    cede_prep_read(&reading->req, pipe, reading->buffer, sizeof reading->buffer, CEDE_CURRENT);
    say("prepared", "a read; it is still ours, nothing has begun");

    cede_ticket ticket = cede_submit(loop, &reading->req, on_read);
    CEDE_GONE(reading); /* clang's analyzer would now report any use of it below */
    say("ceded", "request and buffer are the library's, until the callback");

    cede_run(loop, 0);
    say("pending", "in the kernel, waiting for data");
    return ticket;
}

static void lose_interest(cede_loop *loop, cede_ticket ticket)
{
    cede_cancel(ticket);
    say("cancelled", "that is: wished; cede_cancel has returned");
    /* Here is the temptation: free(reading). The kernel may be writing into it this moment. */
    cede_dump(loop, show, &ticket);
    say("tempted", "but to free it now would be to free what is not ours");

    say("wait", "for it!");
    cede_status status = cede_wait(loop, ticket, CEDE_FOREVER);
    printf("%-9s %s: its callback has returned\n", "waited", cede_status_name(status));

    cede_cancel(ticket);
    say("stale", "another cancel does nothing: the ticket names what is over");
}

int main(int count, char **words)
{
    static const char greeting[] = "hello";
    char why[256] = "";
    cede_options options = {.why = why, .why_bytes = sizeof why};
    cede_loop *loop;
    cede_handle reader, writer;
    cede_ticket ticket;
    cede_req write;

    os_begin(&count, &words);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    cede_status status = cede_loop_open(&options, &loop);
    if (status) {
        fprintf(stderr, "no loop: %s: %s\n", cede_strerror(status), why);
        return 1;
    }
    if (!os_pipe(&reader, &writer)) {
        fprintf(stderr, "no pipe\n");
        return 1;
    }

    printf("-- the cancel comes in time\n");
    ticket = start_reading(loop, reader);
    lose_interest(loop, ticket);

    printf("-- the cancel comes too late\n");
    ticket = start_reading(loop, reader);
    cede_prep_write(&write, writer, greeting, sizeof greeting - 1, CEDE_CURRENT);
    cede_wait(loop, cede_submit(loop, &write, on_written), CEDE_FOREVER);
    lose_interest(loop, ticket);

    cede_drop(reader);
    cede_drop(writer);
    status = cede_loop_close(loop, CEDE_FOREVER);
    printf("%-9s %s: nothing of the program's memory is in anybody's hands\n", "closed",
           cede_status_name(status));
    return status ? 1 : 0;
}
