/*
 * Looks at what an idle client of cede-echo costs in library memory: at most 192 bytes, a slot and
 * a handle's entry. (What the program itself has for it, its request, is not the library's.)
 * Usage: echo_idle CLIENTS MOST-BYTES
 *
 * The server is examples/cede-echo.c as it is, with its main renamed, and an allocator that counts.
 * The clients are a process of their own, so that each side has its descriptors. Every client has
 * had one echo before it idles, so all are known to be accepted and waited for.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cede/cede.h>

enum { SPARE = 64, SKIPPED = 77 };

int program_main(int count, char **words);

static _Atomic int64_t in_use;

static void *resize(void *context, void *memory, size_t bytes)
{
    enum { LEAD = 64 };
    char *at = memory ? (char *)memory - LEAD : NULL;
    (void)context;
    if (at)
        atomic_fetch_sub(&in_use, *(int64_t *)(void *)at);
    if (bytes == 0) {
        free(at);
        return NULL;
    }
    at = realloc(at, LEAD + bytes);
    if (!at)
        return NULL;
    *(int64_t *)(void *)at = (int64_t)bytes;
    atomic_fetch_add(&in_use, (int64_t)bytes);
    return at + LEAD;
}

static _Noreturn void fail(const char *what)
{
    fprintf(stderr, "echo_idle: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- The clients: a process ------------------------------------------------------------------ */

static int client_new(uint16_t port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char byte = 'e';
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) != 0)
        fail("a client");
    if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1 || byte != 'e')
        fail("an echo");
    return fd;
}

/* The server has said where it listens. One client first, so that what is had once is had; then,
 * at `wire`, the two moments at which the server's memory is looked at. */
static int clients_main(int said, int wire, unsigned clients)
{
    char line[128] = "", *colon;
    ssize_t length = read(said, line, sizeof line - 1);
    int *fds = malloc(clients * sizeof *fds);
    colon = length > 0 ? strrchr(line, ':') : NULL;
    if (!colon || !fds)
        fail("where the server listens");
    uint16_t port = (uint16_t)atoi(colon + 1);
    char byte;
    (void)close(client_new(port));
    if (write(wire, "0", 1) != 1 || read(wire, &byte, 1) != 1)
        fail("the wire");
    for (unsigned i = 0; i < clients; i++)
        fds[i] = client_new(port);
    if (write(wire, "1", 1) != 1 || read(wire, &byte, 1) != 1)
        fail("the wire");
    free(fds);
    return 0; /* and all clients with it */
}

/* ---- The server's process -------------------------------------------------------------------- */

static int wire;
static int64_t before, with_clients;

/* Beside the loop's thread, which sleeps at both moments. */
static void *look(void *unused)
{
    char byte;
    (void)unused;
    if (read(wire, &byte, 1) != 1)
        return NULL;
    before = atomic_load(&in_use);
    if (write(wire, "", 1) != 1 || read(wire, &byte, 1) != 1)
        return NULL;
    with_clients = atomic_load(&in_use);
    (void)!write(wire, "", 1);
    return NULL;
}

/* As many clients as descriptors allow; half of what was asked for tells enough. */
static unsigned affordable(unsigned clients)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        fail("getrlimit");
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max >= clients + SPARE)
        return clients;
    if (files.rlim_max < clients / 2 + SPARE) {
        printf("skipped: descriptors for %llu clients at most\n",
               (unsigned long long)files.rlim_max);
        exit(SKIPPED);
    }
    return (unsigned)files.rlim_max - SPARE;
}

int main(int count, char **words)
{
    static const cede_allocator counting = {.resize = resize};
    unsigned clients = count == 3 ? affordable((unsigned)atoi(words[1])) : 0;
    char number[16], *server_words[] = {words[0], (char[]){"127.0.0.1:0"}, number, NULL};
    int said[2], wires[2], status;
    pthread_t looker;
    pid_t process;
    if (!clients)
        return 2;
    if (pipe(said) != 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, wires) != 0)
        fail("pipes");
    process = fork();
    if (process < 0)
        fail("fork");
    if (process == 0) {
        (void)close(wires[0]);
        return clients_main(said[0], wires[1], clients);
    }
    (void)close(wires[1]);
    wire = wires[0];
    if (dup2(said[1], STDOUT_FILENO) < 0 || pthread_create(&looker, NULL, look, NULL) != 0)
        fail("the server");
    if (cede_set_allocator(&counting) != CEDE_OK)
        return 1;
    snprintf(number, sizeof number, "%u", clients + 1);
    if (program_main(3, server_words) != 0)
        return 1;
    (void)pthread_join(looker, NULL);
    if (waitpid(process, &status, 0) != process || status != 0)
        return 1;
    double each = (double)(with_clients - before) / clients;
    fprintf(stderr, "%u idle clients: %.1f bytes of the library each\n", clients, each);
    return with_clients <= before || each > atof(words[2]);
}
