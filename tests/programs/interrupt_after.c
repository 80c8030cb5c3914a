/*
 * interrupt_after SIGNAL LINES MICROSECONDS COMMAND...: runs a command, and when it has written so
 * many lines to its standard output and so many more microseconds have passed, sends it the signal.
 *
 * Prints what came of it, "exit N" or "signal N", and how long the command took to end after the
 * signal; "unsent" instead of the time when it ended by itself before. Fails if the command leaves
 * a process behind, or does not end in a minute.
 */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_US 60000000L

static long now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

static void die(const char *why)
{
    fprintf(stderr, "interrupt_after: %s: %s\n", why, strerror(errno));
    exit(99);
}

static pid_t start(char **command, int *output)
{
    int ends[2];

    if (pipe(ends) < 0)
        die("pipe");
    pid_t child = fork();
    if (child < 0)
        die("fork");
    if (child == 0) {
        setpgid(0, 0);
        signal(SIGINT, SIG_DFL); /* a shell may have had it ignored */
        signal(SIGTERM, SIG_DFL);
        dup2(ends[1], STDOUT_FILENO);
        close(ends[0]);
        close(ends[1]);
        execv(command[0], command);
        die(command[0]);
    }
    setpgid(child, child);
    close(ends[1]);
    *output = ends[0];
    return child;
}

/* Reads to the end of the output. Returns when the signal was sent, or 0. */
static long watch(pid_t child, int output, int number, long lines, long delay_us)
{
    char text[4096];
    struct pollfd fd = {.fd = output, .events = POLLIN};
    long due = lines ? -1 : now_us() + delay_us, sent = 0, last = now_us();

    for (;;) {
        long now = now_us();

        if (!sent && due >= 0 && now >= due) {
            kill(child, number);
            sent = now;
        }
        if (now - last > PATIENCE_US) {
            kill(child, SIGKILL);
            errno = ETIMEDOUT;
            die("the command hangs");
        }
        /* Close to the moment, look at the clock rather than sleep for a whole millisecond. */
        int ready = poll(&fd, 1, !sent && due >= 0 ? (due - now > 2000 ? 1 : 0) : 1000);
        if (ready < 0)
            die("poll");
        if (ready == 0)
            continue;
        ssize_t bytes = read(output, text, sizeof text);
        if (bytes < 0)
            die("read");
        if (bytes == 0)
            return sent;
        last = now;
        for (ssize_t i = 0; i < bytes; i++) {
            if (text[i] == '\n' && lines > 0 && --lines == 0)
                due = now_us() + delay_us;
        }
    }
}

int main(int count, char **words)
{
    int output, status;

    if (count < 5) {
        fprintf(stderr, "usage: interrupt_after SIGNAL LINES MICROSECONDS COMMAND...\n");
        return 99;
    }
    pid_t child = start(words + 4, &output);
    long sent = watch(child, output, atoi(words[1]), atol(words[2]), atol(words[3]));
    if (waitpid(child, &status, 0) != child)
        die("waitpid");
    long ended = now_us();
    if (kill(-child, 0) == 0 || errno != ESRCH) {
        fprintf(stderr, "interrupt_after: the command left a process behind\n");
        return 99;
    }
    if (WIFEXITED(status))
        printf("exit %d ", WEXITSTATUS(status));
    else
        printf("signal %d ", WTERMSIG(status));
    if (sent)
        printf("%ld us\n", ended - sent);
    else
        printf("unsent\n");
    return 0;
}
