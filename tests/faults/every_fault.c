/*
 * Runs an example program again and again, each time with another of its fallible calls failing
 * (fault.c), and judges each run: no crash, no hang, no leak, no client that waits in vain; it goes
 * on rightly, or says what is wrong and ends with a code that is not 0.
 *
 *   every_fault NAME PROGRAM WORK-DIRECTORY [EVERY [KIND,WHEN,K]]
 *
 * EVERY: only each so many-th call (1: all). With the last, one run, whose output is shown.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SAID_MOST (256u << 10)
#define LIMIT_MS  60000 /* of one run: a hang, however slow the machine is */
/* Of a client where a shortage lasts: a server may let it wait then, and is asked to end. */
#define PATIENCE_MS 300
#define CLIENTS     20 /* at most: who has lost some waits for more */
#define FILE_BYTES  300000

static const char hello[] = "hello, whoever hears it\n";

typedef struct text {
    char at[SAID_MOST];
    size_t bytes;
} text;

/* What a run has said, and how it ended. */
static struct {
    pid_t pid;
    int out, err; /* pipes; -1: at their end */
    text said, complained;
    int status;
    bool hung, in_vain, asked_to_end;
    int64_t until_ms;
    int patience_ms; /* 0: as long as it takes */
} run;

static struct {
    const char *name, *program, *work;
    int listener; /* a server that the program is to reach; -1: none */
    int port;
} plan = {.listener = -1};

static void die(const char *what)
{
    printf("every_fault: %s: %s\n", what, strerror(errno));
    exit(2);
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* ---- The program ---------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char paths[4][512];
    static unsigned turn;
    char *path = paths[turn++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", plan.work, name);
    return path;
}

static void exec_it(const char *how)
{
    static char target[32];
    const char *words[10] = {plan.program};
    int i = 1;
    snprintf(target, sizeof target, "127.0.0.1:%d", plan.port);
    if (strcmp(plan.name, "cede-cp") == 0) {
        words[i++] = "--verify";
        words[i++] = path_of("from");
        words[i++] = path_of("to");
    } else if (strcmp(plan.name, "cede-echo") == 0) {
        words[i++] = "127.0.0.1:0";
        words[i++] = "2";
    } else if (strcmp(plan.name, "cede-proxy") == 0) {
        words[i++] = "127.0.0.1:0";
        words[i++] = target;
        words[i++] = "--clients";
        words[i++] = "2";
    } else if (strcmp(plan.name, "cede-serve") == 0) {
        words[i++] = "--at";
        words[i++] = "127.0.0.1:0";
        words[i++] = "--clients";
        words[i++] = "2";
        words[i++] = path_of("from");
    } else if (strcmp(plan.name, "cede-race") == 0) {
        words[i++] = "127.0.0.1:1";
        words[i++] = target;
    } else if (strcmp(plan.name, "cede-race-name") == 0) {
        snprintf(target, sizeof target, "localhost:%d", plan.port);
        words[i++] = target;
    } else if (strcmp(plan.name, "cede-race-sim") == 0) {
        words[i++] = "--sim";
        words[i++] = "--a";
        words[i++] = "10";
        words[i++] = "192.0.2.1=refused@20";
        words[i++] = "192.0.2.2=40";
        words[i++] = "[2001:db8::1]=lost";
    }
    setenv("CEDE_FAULT", how, 1);
    setenv("CEDE_FAULT_TOLD", path_of("told"), 1);
    execv(plan.program, (char **)(uintptr_t)words);
    _exit(126);
}

static void start(const char *how)
{
    int out[2], err[2];
    if (pipe(out) < 0 || pipe(err) < 0)
        die("pipe");
    memset(&run, 0, sizeof run);
    fflush(stdout);
    run.pid = fork();
    if (run.pid < 0)
        die("fork");
    if (run.pid == 0) {
        dup2(out[1], 1);
        dup2(err[1], 2);
        for (int i = 3; i < 32; i++)
            close(i);
        exec_it(how);
    }
    close(out[1]);
    close(err[1]);
    run.out = out[0];
    run.err = err[0];
    run.until_ms = now_ms() + LIMIT_MS;
}

static void take(int *pipe, text *to)
{
    ssize_t got = read(*pipe, to->at + to->bytes, sizeof to->at - 1 - to->bytes);
    if (got > 0) {
        to->bytes += (size_t)got;
        return;
    }
    close(*pipe);
    *pipe = -1;
}

/* Waits for what the program says, or for one of two sockets; false: it is over. */
static bool listen_to(struct pollfd *sockets, nfds_t count)
{
    struct pollfd fds[4] = {{.fd = run.out, .events = POLLIN}, {.fd = run.err, .events = POLLIN}};
    int64_t left = run.until_ms - now_ms();
    int ready = 0;
    if (run.out < 0 && run.err < 0)
        return false;
    for (nfds_t i = 0; i < count; i++)
        fds[i + 2] = sockets[i];
    if (left > 0)
        ready = poll(fds, count + 2, count && run.patience_ms ? run.patience_ms : (int)left);
    if (ready == 0 && count && run.patience_ms)
        return false;
    if (ready == 0) {
        run.hung = true;
        run.in_vain = count > 0;
        kill(run.pid, SIGKILL);
        return false;
    }
    if (fds[0].revents)
        take(&run.out, &run.said);
    if (fds[1].revents)
        take(&run.err, &run.complained);
    for (nfds_t i = 0; i < count; i++)
        sockets[i].revents = fds[i + 2].revents;
    return run.out >= 0 || run.err >= 0;
}

static void finish(void)
{
    while (listen_to(NULL, 0))
        continue;
    if (run.out >= 0)
        close(run.out);
    if (run.err >= 0)
        close(run.err);
    if (waitpid(run.pid, &run.status, 0) != run.pid)
        die("waitpid");
}

/* ---- Its clients ---------------------------------------------------------------------------- */

static void nonblocking(int socket)
{
    if (socket < 0 || fcntl(socket, F_SETFL, O_NONBLOCK) < 0)
        die("socket");
}

static int connect_to(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    int client = socket(AF_INET, SOCK_STREAM, 0);
    nonblocking(client);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(client, (struct sockaddr *)&at, sizeof at) < 0 && errno != EINPROGRESS) {
        close(client);
        return -1;
    }
    return client;
}

static int server(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t bytes = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    nonblocking(listener);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(listener, (struct sockaddr *)&at, bytes) < 0 || listen(listener, 64) < 0 ||
        getsockname(listener, (struct sockaddr *)&at, &bytes) < 0)
        die("listen");
    plan.port = ntohs(at.sin_port);
    return listener;
}

/* The far end of a proxy: sends back what comes, one connection at a time. */
static void serve(int *far)
{
    char bytes[4096];
    ssize_t got;
    if (*far < 0) {
        *far = accept(plan.listener, NULL, NULL);
        return;
    }
    got = read(*far, bytes, sizeof bytes);
    if (got > 0 && write(*far, bytes, (size_t)got) == got)
        return;
    close(*far);
    *far = -1;
}

enum answer { ANSWERED, NOBODY, SILENT };

/* Asks, and hears what comes until the end of the stream, whatever that is. */
static enum answer ask(int port, const char *question, int *far)
{
    char bytes[8192];
    ssize_t length = (ssize_t)strlen(question);
    enum answer answer = NOBODY;
    int client = connect_to(port);
    while (client >= 0) {
        struct pollfd sockets[2] = {{.fd = client, .events = answer == NOBODY ? POLLOUT : POLLIN},
                                    {.fd = *far < 0 ? plan.listener : *far, .events = POLLIN}};
        if (!listen_to(sockets, 2)) {
            answer = run.out < 0 && run.err < 0 ? NOBODY : SILENT;
            break;
        }
        if (sockets[1].revents)
            serve(far);
        if (!sockets[0].revents)
            continue;
        if (answer == NOBODY && write(client, question, (size_t)length) != length)
            break; /* refused */
        if (answer == NOBODY)
            (void)shutdown(client, SHUT_WR);
        else if (read(client, bytes, sizeof bytes) <= 0)
            break;
        answer = ANSWERED;
    }
    if (client >= 0)
        close(client);
    return answer;
}

/* Clients until the program has had enough of them: one that it has lost does not count. What is
 * not enough by then is asked to end. */
static void be_clients(const char *how)
{
    static const char *const questions[] = {"GET /large HTTP/1.0\r\n\r\n",
                                            "GET / HTTP/1.0\r\n\r\n"};
    bool web = strcmp(plan.name, "cede-serve") == 0;
    const char *where = NULL;
    enum answer answer = ANSWERED;
    int far = -1;
    while (!where && listen_to(NULL, 0)) {
        where = strstr(run.said.at, "listening at 127.0.0.1:");
        if (where && !strchr(where, '\n'))
            where = NULL;
    }
    if (!where)
        return;
    run.patience_ms = strstr(how, ",on,") ? PATIENCE_MS : 0;
    for (int i = 0; i < CLIENTS && answer == ANSWERED && !run.hung; i++)
        answer = ask(atoi(where + 23), web ? questions[i % 2] : hello, &far);
    if (far >= 0)
        close(far);
    run.asked_to_end = answer != NOBODY;
    if (run.asked_to_end)
        kill(run.pid, SIGTERM);
}

/* ---- Judging -------------------------------------------------------------------------------- */

static bool same_file(const char *one, const char *other)
{
    static char bytes[2][FILE_BYTES + 1];
    ssize_t got[2] = {-1, -1};
    const char *const names[] = {one, other};
    for (int i = 0; i < 2; i++) {
        int file = open(names[i], O_RDONLY | O_CLOEXEC);
        if (file < 0)
            return false;
        got[i] = read(file, bytes[i], sizeof bytes[i]);
        close(file);
    }
    return got[0] >= 0 && got[0] == got[1] && memcmp(bytes[0], bytes[1], (size_t)got[0]) == 0;
}

/* Why a run is bad; NULL: it is not. */
static const char *judge(void)
{
    static const char *const never[] = {"Sanitizer", "runtime error", "cede: broken", "cede: law"};
    for (size_t i = 0; i < sizeof never / sizeof never[0]; i++) {
        if (strstr(run.complained.at, never[i]))
            return never[i];
    }
    if (run.in_vain)
        return "a client waits in vain";
    if (run.hung)
        return "it hangs";
    if (WIFSIGNALED(run.status) && run.asked_to_end && WTERMSIG(run.status) == SIGTERM)
        return run.complained.bytes ? NULL : "a wish to end ended it in the middle";
    if (WIFSIGNALED(run.status))
        return "it crashed";
    if (WEXITSTATUS(run.status) == 126)
        return "it cannot be run";
    if (WEXITSTATUS(run.status) != 0) {
        bool tells_there =
            strncmp(plan.name, "cede-race", 9) == 0 || strcmp(plan.name, "sim_your_code") == 0;
        return run.complained.bytes || (tells_there && run.said.bytes) ? NULL
                                                                       : "it failed without a word";
    }
    if (strcmp(plan.name, "cede-cp") == 0 &&
        (!same_file(path_of("from/large"), path_of("to/large")) ||
         !same_file(path_of("from/inner/small"), path_of("to/inner/small"))))
        return "it says that it has copied, and has not";
    return NULL;
}

static bool is_server(void)
{
    return strcmp(plan.name, "cede-echo") == 0 || strcmp(plan.name, "cede-proxy") == 0 ||
           strcmp(plan.name, "cede-serve") == 0;
}

/* One run. *hit: the call came about. */
static bool try(const char *how, bool *hit, bool show)
{
    struct stat stat_;
    const char *bad;
    if (strcmp(plan.name, "cede-cp") == 0) {
        char command[600];
        snprintf(command, sizeof command, "rm -rf '%s'", path_of("to"));
        if (system(command) != 0)
            die(command);
    }
    (void)unlink(path_of("told"));
    start(how);
    if (is_server())
        be_clients(how);
    finish();
    *hit = stat(path_of("told"), &stat_) == 0;
    bad = judge();
    if (!bad && !show)
        return true;
    printf("%s %s: %s\n", plan.name, how, bad ? bad : "well");
    printf("its output:\n%s%s", run.said.at, run.complained.at);
    if (WIFEXITED(run.status))
        printf("its code: %d\n", WEXITSTATUS(run.status));
    return !bad;
}

/* What is simulated makes no system call, and sim_your_code is thousands of runs in one: of these
 * only the first calls fail. */
static bool try_all(unsigned every)
{
    static const char *const ways[] = {"alloc,once", "alloc,on", "work,once", "work,on", "call,on",
                                       "call,11",    "call,4",   "call,16",   "call,12", "call,1"};
    size_t way_count = sizeof ways / sizeof ways[0];
    unsigned runs = 0, failures = 0, most = 10000;
    if (strstr(plan.name, "sim"))
        way_count = 4;
    if (strcmp(plan.name, "sim_your_code") == 0)
        most = 16;
    for (size_t i = 0; i < way_count; i++) {
        bool hit = true;
        for (unsigned k = 1 + (unsigned)i % every; hit && failures < 20 && k <= most; k += every) {
            char how[40];
            snprintf(how, sizeof how, "%s,%u", ways[i], k);
            failures += !try(how, &hit, false);
            runs++;
        }
    }
    printf("%s: %u runs, %u of them bad\n", plan.name, runs, failures);
    return failures == 0;
}

/* ---- The stage ------------------------------------------------------------------------------ */

static void make_file(const char *path, size_t bytes)
{
    FILE *file = fopen(path, "w");
    if (!file)
        die(path);
    for (size_t i = 0; i < bytes; i++)
        fputc((int)(i * 7 % 251), file);
    if (fclose(file) != 0)
        die(path);
}

int main(int count, char **words)
{
    unsigned every = count > 4 ? (unsigned)atoi(words[4]) : 1;
    bool hit, well;
    if (count < 4 || every == 0) {
        fprintf(stderr, "usage: every_fault NAME PROGRAM WORK-DIRECTORY [EVERY [KIND,WHEN,K]]\n");
        return 2;
    }
    plan.name = words[1];
    plan.program = words[2];
    plan.work = words[3];
    signal(SIGPIPE, SIG_IGN);
    (void)mkdir(plan.work, 0700);
    (void)mkdir(path_of("from"), 0700);
    (void)mkdir(path_of("from/inner"), 0700);
    make_file(path_of("from/large"), FILE_BYTES);
    make_file(path_of("from/inner/small"), 1000);
    if (strcmp(plan.name, "cede-proxy") == 0 || strncmp(plan.name, "cede-race", 9) == 0)
        plan.listener = server();
    if (!try("none,once,1", &hit, false) || WEXITSTATUS(run.status) != 0) {
        printf("not even with nothing failing:\n%s%s", run.said.at, run.complained.at);
        return 1;
    }
    well = count > 5 ? try(words[5], &hit, true) : try_all(every);
    return well ? 0 : 1;
}
