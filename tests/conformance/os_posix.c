/*
 * Children, threads and the watchdog on POSIX. See os.h.
 *
 * The watchdog is an alarm signal that only the case's thread takes: so the dump of what is
 * pending is made on the loop's thread. If even that does not get through (a thread that is stuck
 * in the kernel), the parent kills the child and says so.
 */
#define _GNU_SOURCE
#include "os.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const bool cft_os_copies = true;

void cft_os_begin(void)
{
}

uint64_t cft_os_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* ---- Children ------------------------------------------------------------------------------- */

static void collect(cft_end *end, size_t *room, const char *bytes, size_t count)
{
    if (end->bytes + count + 1 > *room) {
        *room = (end->bytes + count + 1) * 2;
        end->output = realloc(end->output, *room);
        if (!end->output)
            abort();
    }
    memcpy(end->output + end->bytes, bytes, count);
    end->bytes += count;
    end->output[end->bytes] = '\0';
}

/* Reads until all writers are gone, or nothing has moved for so long (false). */
static bool drain(int from, cft_end *end, const cft_order *order, uint64_t limit_ns, bool echo)
{
    size_t room = 0;
    char chunk[4096];
    uint64_t until_ns = cft_os_now_ns() + limit_ns, moved = *order->moves;
    collect(end, &room, "", 0);
    for (;;) {
        uint64_t now = cft_os_now_ns();
        struct pollfd wait_for = {from, POLLIN, 0};
        int left_ms = now >= until_ns ? 0 : (int)((until_ns - now) / 1000000u) + 1;
        int ready = poll(&wait_for, 1, left_ms);
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready == 0 && moved != *order->moves) {
            moved = *order->moves;
            until_ns = cft_os_now_ns() + limit_ns;
            continue;
        }
        if (ready <= 0)
            return false;
        ssize_t got = read(from, chunk, sizeof chunk);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return true;
        collect(end, &room, chunk, (size_t)got);
        if (echo) {
            fwrite(chunk, 1, (size_t)got, stdout);
            fflush(stdout);
        }
    }
}

void cft_os_forget_ignored(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        (void)signal(signals[i], SIG_DFL);
}

cft_end cft_os_child(const cft_order *order, uint32_t limit_seconds, bool echo)
{
    cft_end end = {-1, 0, false, NULL, 0};
    int ends[2];
    fflush(NULL);
    if (pipe2(ends, O_CLOEXEC) != 0)
        abort();
    pid_t child = fork();
    if (child < 0) {
        perror("fork");
        abort();
    }
    if (child == 0) {
        dup2(ends[1], STDOUT_FILENO);
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        close(ends[1]);
        cft_os_forget_ignored();
        setvbuf(stdout, NULL, _IONBF, 0);
        exit(order->fn(order->context));
    }
    close(ends[1]);
    if (!drain(ends[0], &end, order, (uint64_t)limit_seconds * 1000000000u, echo)) {
        end.hung = true;
        kill(child, SIGKILL);
    }
    close(ends[0]);
    int status = 0;
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (WIFEXITED(status))
        end.code = WEXITSTATUS(status);
    else if (WIFSIGNALED(status))
        end.signal = WTERMSIG(status);
    return end;
}

void *cft_os_shared(size_t bytes, const char *name)
{
    (void)name;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        abort();
    return memory;
}

const char *cft_os_shared_name(void)
{
    return "-";
}

/* ---- This process ---------------------------------------------------------------------------- */

extern char **environ;

const char *cft_os_program(void)
{
    static char path[4096];
    if (!path[0] && readlink("/proc/self/exe", path, sizeof path - 1) < 0)
        abort();
    return path;
}

const char *const *cft_os_words(int argc, char **argv)
{
    (void)argc;
    return (const char *const *)argv + 1;
}

const char *const *cft_os_environment(void)
{
    return (const char *const *)environ;
}

const char *cft_os_directory(char *out, size_t bytes)
{
    return getcwd(out, bytes);
}

uint32_t cft_os_handles(void)
{
    uint32_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    for (struct dirent *entry; directory && (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    if (directory)
        closedir(directory);
    return count - 4; /* and the one that looks */
}

size_t cft_os_input(void *out, size_t bytes)
{
    ssize_t got = read(STDIN_FILENO, out, bytes);
    return got > 0 ? (size_t)got : 0;
}

intptr_t cft_os_standard(int which)
{
    return which;
}

bool cft_os_leads_a_group(void)
{
    return getpgrp() == getpid();
}

void cft_os_ignore_asks(void)
{
    (void)signal(SIGTERM, SIG_IGN);
}

/* ---- The watchdog --------------------------------------------------------------------------- */

static void (*late_fn)(void *);
static void *late_context;

static void on_alarm(int signal_number)
{
    (void)signal_number;
    /* Not safe in a signal handler, and does not matter: the process ends here either way. */
    signal(SIGALRM, SIG_DFL);
    alarm(5); /* what was interrupted may have what this needs */
    late_fn(late_context);
    _exit(1);
}

void cft_os_watch(uint32_t seconds, void (*on_late)(void *), void *context)
{
    late_fn = on_late;
    late_context = context;
    if (seconds == 0) {
        alarm(0);
        return;
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_alarm;
    action.sa_flags = SA_NODEFER;
    sigaction(SIGALRM, &action, NULL);
    alarm(seconds);
}

/* ---- Threads -------------------------------------------------------------------------------- */

struct cft_thread_ {
    pthread_t thread;
    void (*fn)(void *);
    void *context;
};

static void *thread_main(void *argument)
{
    cft_os_thread *self = argument;
    self->fn(self->context);
    return NULL;
}

cft_os_thread *cft_os_start(void (*fn)(void *), void *context)
{
    cft_os_thread *self = malloc(sizeof *self);
    sigset_t all, before;
    if (!self)
        abort();
    self->fn = fn;
    self->context = context;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    int failed = pthread_create(&self->thread, NULL, thread_main, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed) {
        fprintf(stderr, "cannot start a thread: %s\n", strerror(failed));
        abort();
    }
    return self;
}

void cft_os_join(cft_os_thread *self)
{
    pthread_join(self->thread, NULL);
    free(self);
}

void cft_os_yield(void)
{
    sched_yield();
}

uint64_t cft_os_self(void)
{
    return (uint64_t)(uintptr_t)pthread_self();
}

struct cft_gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

cft_gate *cft_gate_new(void)
{
    cft_gate *gate = malloc(sizeof *gate);
    if (!gate)
        abort();
    pthread_mutex_init(&gate->mutex, NULL);
    pthread_cond_init(&gate->changed, NULL);
    return gate;
}

void cft_gate_free(cft_gate *gate)
{
    pthread_cond_destroy(&gate->changed);
    pthread_mutex_destroy(&gate->mutex);
    free(gate);
}

void cft_gate_lock(cft_gate *gate)
{
    pthread_mutex_lock(&gate->mutex);
}

void cft_gate_unlock(cft_gate *gate)
{
    pthread_mutex_unlock(&gate->mutex);
}

void cft_gate_wait(cft_gate *gate)
{
    pthread_cond_wait(&gate->changed, &gate->mutex);
}

void cft_gate_signal(cft_gate *gate)
{
    pthread_cond_broadcast(&gate->changed);
}
