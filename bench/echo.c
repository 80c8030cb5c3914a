/*
 * What the servers of echo.h share: opening with a listener and a load, rounds, leaving.
 */
#include "echo.h"

#include "bench.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "echo_rows.h"

enum { BACKLOG = 4096, WAVE = 256, MESSAGES = 20000 };

void echo_bad(const char *who, long result)
{
    bench_die("%s: a transfer gave %ld", who, result);
}

/* ---- Servers --------------------------------------------------------------------------------- */

static int listen_somewhere(uint16_t *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t length = sizeof at;
    int fd =
        (int)bench_check(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bench_check(bind(fd, (struct sockaddr *)&at, sizeof at), "bind");
    bench_check(listen(fd, BACKLOG), "listen");
    bench_check(getsockname(fd, (struct sockaddr *)&at, &length), "getsockname");
    *port = ntohs(at.sin_port);
    return fd;
}

void *echo_new(const echo_side *side, uint32_t variant)
{
    echo *e = bench_alloc(1, (side->bytes + 63) & ~(size_t)63, 64);
    uint16_t port;
    e->side = side;
    e->message_bytes = variant == ECHO_LARGE ? 16384 : 64;
    e->buffer_bytes = variant == ECHO_LARGE ? 16384 : 2048;
    e->closes = variant == ECHO_ACCEPTS;
    e->spin_ns = variant == ECHO_SPIN ? ECHO_SPIN_NS : 0;
    e->listener = listen_somewhere(&port);
    e->load = load_start(port);
    side->open(e);
    return e;
}

void echo_run(echo *e, unsigned counting, uint64_t target)
{
    e->counting = counting;
    e->done = 0;
    e->target = target;
    e->side->run(e);
    if (e->done != target) {
        bench_die("a server counted %llu instead of %llu", (unsigned long long)e->done,
                  (unsigned long long)target);
    }
}

void echo_connect(echo *e, uint64_t clients)
{
    load_tell(e->load, LOAD_CONNECT, clients, 0);
    echo_run(e, ECHO_CLIENTS, clients);
    load_wait(e->load);
}

void echo_leave(echo *e, uint64_t clients)
{
    load_tell(e->load, LOAD_LEAVE, 0, 0);
    echo_run(e, ECHO_ENDS, clients);
    load_wait(e->load);
}

void echo_free(echo *e)
{
    e->side->close(e);
    load_end(e->load);
    free(e);
}

/* ---- Rounds ---------------------------------------------------------------------------------- */

void *echo_open(const echo_side *side, const bench_case *of)
{
    echo *e = echo_new(side, of->variant);
    if (!e->closes) {
        echo_connect(e, of->size);
    }
    return e;
}

static void echo_messages(echo *e, bench_run *run)
{
    run->ops = run->of->variant == ECHO_ALLOCATIONS ? MESSAGES : run->ops;
    load_pin();
    load_tell(e->load, run->of->variant == ECHO_SPIN ? LOAD_PINGPONG : LOAD_ECHO, run->ops,
              e->message_bytes);
    bench_start(run);
    echo_run(e, ECHO_BYTES, run->ops * e->message_bytes);
    bench_stop(run);
    load_wait(e->load);
    load_unpin();
    if (run->of->variant == ECHO_ALLOCATIONS) {
        run->out[0] = (double)run->heap / (double)run->ops;
    }
}

/* The clients of a wave are connected before the server looks, so that it never waits for them. */
static void accept_waves(echo *e, bench_run *run)
{
    uint64_t cpu_ns = 0;
    run->ops = (run->ops + WAVE - 1) / WAVE * WAVE;
    load_pin();
    bench_start(run);
    for (uint64_t i = 0; i < run->ops; i += WAVE) {
        load_tell(e->load, LOAD_WAVE, WAVE, 0);
        load_wait(e->load);
        uint64_t start_ns = bench_cpu_ns();
        echo_run(e, ECHO_CLIENTS, WAVE);
        cpu_ns += bench_cpu_ns() - start_ns;
        load_tell(e->load, LOAD_GONE, 0, 0);
        load_wait(e->load);
    }
    bench_stop(run);
    load_unpin();
    run->out[1] = (double)cpu_ns / (double)run->ops;
}

void echo_round(void *self, bench_run *run)
{
    echo *e = self;
    if (e->closes) {
        accept_waves(e, run);
    } else {
        echo_messages(e, run);
    }
}

void echo_close(void *self)
{
    echo_free(self);
}
