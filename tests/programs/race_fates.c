/*
 * race_fates COMMAND [WORD...]: runs a command, with an address of this machine for each word that
 * says what happens to a connect: "there4", "there6" (it is accepted), "refused4", "refused6"
 * (nobody listens), "lost4", "lost6" (nobody answers, for as long as the command runs).
 *
 * A connect is lost to a listener whose queue is full: the kernel drops what asks for one more, and
 * the other side asks again, in vain. Ends as the command does; with 77 if there is no IPv6 here.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { FAILED = 99, NO_IPV6 = 77, WAIT_MS = 60000 };

typedef union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
} address;

static long check(long result, const char *what)
{
    if (result >= 0)
        return result;
    fprintf(stderr, "race_fates: %s: %s\n", what, strerror(errno));
    exit(FAILED);
}

static int new_socket(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 && errno == EAFNOSUPPORT && family == AF_INET6)
        exit(NO_IPV6);
    return (int)check(fd, "socket");
}

/* A socket with an address of its own, which is nobody else's while it lives. */
static int bound(int family, address *at)
{
    int fd = new_socket(family);
    socklen_t bytes = sizeof *at;
    memset(at, 0, sizeof *at);
    at->any.sa_family = (sa_family_t)family;
    if (family == AF_INET)
        at->v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    else
        at->v6.sin6_addr = in6addr_loopback;
    if (bind(fd, &at->any, sizeof *at) < 0 && errno == EADDRNOTAVAIL && family == AF_INET6)
        exit(NO_IPV6);
    check(getsockname(fd, &at->any, &bytes), "getsockname");
    return fd;
}

/* The kernel takes one more than it was told to. Its side of a connection may be ready later than
 * the client's: by the edge that the listener gives for each. */
static void fill(int listener, const address *at)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET};
    struct tcp_info info;
    socklen_t bytes = sizeof info;
    int edges = (int)check(epoll_create1(EPOLL_CLOEXEC), "epoll_create1");
    check(listen(listener, 1), "listen");
    check(epoll_ctl(edges, EPOLL_CTL_ADD, listener, &event), "epoll_ctl");
    for (int i = 0; i < 2; i++) {
        check(connect(new_socket(at->any.sa_family), &at->any, sizeof *at), "connect");
        if (check(epoll_wait(edges, &event, 1, WAIT_MS), "epoll_wait") == 0) {
            fprintf(stderr, "race_fates: a connection is not told\n");
            exit(FAILED);
        }
    }
    /* Of a listener: those in its queue, and how many it was told. */
    check(getsockopt(listener, IPPROTO_TCP, TCP_INFO, &info, &bytes), "TCP_INFO");
    if (info.tcpi_unacked <= info.tcpi_sacked) {
        fprintf(stderr, "race_fates: the queue is not full\n");
        exit(FAILED);
    }
}

/* The address for a word; NULL: it is another word. */
static char *place(const char *word)
{
    static const char *const fates[] = {"there", "refused", "lost"};
    size_t which = 0, letters;
    char text[INET6_ADDRSTRLEN], *all;
    address at;
    for (; which < 3 && strncmp(word, fates[which], strlen(fates[which])) != 0;)
        which++;
    letters = which < 3 ? strlen(fates[which]) : 0;
    if (letters == 0 || (strcmp(word + letters, "4") != 0 && strcmp(word + letters, "6") != 0))
        return NULL;
    int fd = bound(word[letters] == '4' ? AF_INET : AF_INET6, &at);
    if (which == 0)
        check(listen(fd, 16), "listen");
    if (which == 2)
        fill(fd, &at);
    if (at.any.sa_family == AF_INET)
        inet_ntop(AF_INET, &at.v4.sin_addr, text, sizeof text);
    else
        inet_ntop(AF_INET6, &at.v6.sin6_addr, text, sizeof text);
    check(asprintf(&all, at.any.sa_family == AF_INET ? "%s:%u" : "[%s]:%u", text,
                   ntohs(at.any.sa_family == AF_INET ? at.v4.sin_port : at.v6.sin6_port)),
          "asprintf");
    return all;
}

int main(int count, char **words)
{
    int status;
    if (count < 2) {
        fprintf(stderr, "usage: race_fates COMMAND [WORD...]\n");
        return FAILED;
    }
    for (int i = 2; i < count; i++) {
        char *at = place(words[i]);
        words[i] = at ? at : words[i]; /* the process has it to its end */
    }
    pid_t child = (pid_t)check(fork(), "fork");
    if (child == 0) {
        execvp(words[1], words + 1);
        fprintf(stderr, "race_fates: %s: %s\n", words[1], strerror(errno));
        _exit(FAILED);
    }
    check(waitpid(child, &status, 0), "waitpid");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
