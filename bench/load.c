/*
 * The bench's end of the load: starting it, telling it, and the processors of both. Main thread.
 */
#include "bench.h"

#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "load.h"

struct load {
    pid_t process;
    int wire;
    uint16_t port;
};

/* ---- Processors ------------------------------------------------------------------------------ */

static cpu_set_t all;
static bool all_known;

/* The first or the second of those that this process may use; the first if there is no other. */
static void use_processor(unsigned which)
{
    cpu_set_t one;
    int found = -1;
    if (!all_known) {
        all_known = sched_getaffinity(0, sizeof all, &all) == 0;
    }
    for (int i = 0; i < CPU_SETSIZE; i++) {
        if (CPU_ISSET(i, &all) && (found < 0 || which--)) {
            found = i;
        }
        if (found >= 0 && which == 0) {
            break;
        }
    }
    if (found >= 0) {
        CPU_ZERO(&one);
        CPU_SET(found, &one);
        sched_setaffinity(0, sizeof one, &one);
    }
}

void load_pin(void)
{
    use_processor(0);
}

void load_unpin(void)
{
    if (all_known) {
        sched_setaffinity(0, sizeof all, &all);
    }
}

/* ---- The other process ----------------------------------------------------------------------- */

/* In the child: a program anew, with nothing of this one's rings and sockets but the wire. */
static _Noreturn void become_load(int wire)
{
    /* By its name: under valgrind the link itself leads elsewhere. */
    char program[4096] = "";
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    use_processor(1);
    if (length > 0 && dup2(wire, STDIN_FILENO) == STDIN_FILENO) {
        close_range(3, ~0u, 0);
        execl(program, "cede-bench", "--load", (char *)NULL);
    }
    _exit(5);
}

load *load_start(uint16_t port)
{
    load *l = bench_alloc(1, sizeof *l, 0);
    int wires[2];
    bench_check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, wires), "socketpair");
    load_unpin();
    fflush(NULL);
    l->process = (pid_t)bench_check(fork(), "fork");
    if (l->process == 0) {
        become_load(wires[1]);
    }
    close(wires[1]);
    l->wire = wires[0];
    l->port = port;
    return l;
}

void load_tell(load *l, uint32_t what, uint64_t count, uint32_t bytes)
{
    load_order order = {.what = what, .count = count, .bytes = bytes, .port = l->port};
    if (send(l->wire, &order, sizeof order, MSG_NOSIGNAL) != sizeof order) {
        bench_die("the load has gone");
    }
}

void load_wait(load *l)
{
    char said;
    if (recv(l->wire, &said, 1, 0) != 1) {
        bench_die("the load has gone");
    }
}

void load_end(load *l)
{
    close(l->wire);
    waitpid(l->process, NULL, 0);
    free(l);
}
