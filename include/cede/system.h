/*
 * Preparations for what a program is told by its system: readiness of foreign descriptors, signals
 * and console events, child processes, changes of directories.
 *
 * Kinds of handle: spawn makes children (CEDE_KIND_CHILD), watch makes watches (CEDE_KIND_WATCH).
 * Both are closed and dropped like any handle. Closing a child's handle leaves the child alone.
 */
#ifndef CEDE_SYSTEM_H
#define CEDE_SYSTEM_H

#include "cede/pool.h"
#include "cede/req.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Readiness ------------------------------------------------------------------------------ */

#define CEDE_POLL_IN     0x1u /* a receive or accept would not wait: data, an end, a client */
#define CEDE_POLL_OUT    0x2u /* a send or write would not wait */
#define CEDE_POLL_HANGUP 0x4u /* told only: the other end is gone (not: it sends no more) */
#define CEDE_POLL_ERROR  0x8u /* told only: an error waits to be asked for */

/* Waits until one of `events` (IN, OUT or both) holds on a descriptor, which is somebody else's to
 * use (import it with CEDE_IMPORT_BORROW): another library's socket, say. result.count are those
 * that hold, HANGUP and ERROR among them. It says what was so at one moment, and consumes nothing.
 * Where the other end is gone or an error waits, nothing would wait: on Linux all that was asked
 * for holds then, whichever way the descriptor goes.
 * Level, not edge: what is ready already completes at once. Takes streams, listeners, datagram
 * sockets and CEDE_KIND_OBJECT: on Linux any other descriptor that can be polled (eventfd, timerfd,
 * pidfd; CEDE_KIND_AUTO takes them for pipes, which can be read, too), on Windows a waitable object
 * that stays signalled (an event or timer reset by hand, a process), which is IN when it is, and
 * never OUT (CEDE_EINVAL). One that a wait resets is reset by this wait, if it is told as ready,
 * and only then: what a cancel or a deadline has ended has taken no signal. What cannot be waited
 * for, or not by this handle (it lacks SYNCHRONIZE), is CEDE_EBADF; a mutex, which the system's
 * thread pool, that waits here, does not take, CEDE_EINVAL.
 * Windows: CEDE_ENOTSUP for pipes, terminals and local streams. A socket that was only polled is
 * bound to no port. Files: CEDE_EINVAL; they are always ready. */
CEDE_API void cede_prep_poll(cede_req *, cede_handle, uint32_t events);

/* ---- Signals -------------------------------------------------------------------------------- */

/* What asks a program for something. In brackets what Windows has for it; where it has nothing, it
 * never comes. */
enum {
    CEDE_SIGNAL_INTERRUPT = 1, /* SIGINT, ctrl-C [CTRL_C_EVENT] */
    CEDE_SIGNAL_TERMINATE,     /* SIGTERM [CTRL_SHUTDOWN_EVENT; CTRL_LOGOFF_EVENT, see below] */
    CEDE_SIGNAL_HANGUP,        /* SIGHUP: its terminal is gone [CTRL_CLOSE_EVENT] */
    CEDE_SIGNAL_QUIT,          /* SIGQUIT, ctrl-\ [CTRL_BREAK_EVENT] */
    CEDE_SIGNAL_USER_1,        /* SIGUSR1 [] */
    CEDE_SIGNAL_USER_2,        /* SIGUSR2 [] */
    CEDE_SIGNAL_RESIZE,        /* SIGWINCH: the terminal has another size [] */
    CEDE_SIGNAL_COUNT
};
#define CEDE_SIGNAL_BIT(signal) (1u << (signal))
/* Those that are ignored when the request starts are left so: nohup has a program start with SIGHUP
 * ignored, & in a script with SIGINT and SIGQUIT, and whoever did that wants it to go on. */
#define CEDE_SIGNAL_UNLESS_IGNORED 0x80000000u
/* What stops a program, for its orderly end. */
#define CEDE_SIGNAL_STOPS                                                              \
    (CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT) | CEDE_SIGNAL_BIT(CEDE_SIGNAL_TERMINATE) | \
     CEDE_SIGNAL_BIT(CEDE_SIGNAL_HANGUP) | CEDE_SIGNAL_UNLESS_IGNORED)

/* Takes signals to this process, those in `signals` (an OR of CEDE_SIGNAL_BIT), until it is
 * cancelled: each is an item whose count is its number. One that came before it began is told to
 * those who were there, and not to it; one that comes again before its item was called is told
 * once. While it pends the signals' own effect is off; each signal goes to all the requests, on all
 * loops, that take it. Afterwards what was set before holds again. A disposition that somebody else
 * sets meanwhile has the signal, and stays; the next request that begins takes the signal over
 * again, for all of them, and that disposition is then what was set before. A request is usually in
 * the background (cede_background): a watch for ctrl-C should not keep cede_run from being idle.
 * CEDE_EINVAL: no or unknown bits.
 * A signal that was ignored is taken, too, unless CEDE_SIGNAL_UNLESS_IGNORED is among `signals`, as
 * it is in CEDE_SIGNAL_STOPS: then it never comes. (Windows: an ignored ctrl-C comes to nobody.)
 * On Linux by a handler of our own (sigaction); threads that block a signal are not touched.
 * On Windows by a console handler; after CTRL_CLOSE_EVENT and its like the system ends the process
 * a few seconds later, whatever it does, or when nobody takes the event any more: so clean up, and
 * exit. A service (session 0) is sent CTRL_LOGOFF_EVENT when any user leaves, and goes on: there it
 * is no signal, and is not passed on to other handlers while CEDE_SIGNAL_TERMINATE is taken. Each
 * request that begins has the handler set anew, also where AllocConsole, AttachConsole or
 * FreeConsole has made the system forget it: by a thread, a moment later, as SetConsoleCtrlHandler
 * waits for handlers that run (so not before an event that the process is to end by has had its
 * end); where there is no thread for it, by the next. The process's first request does wait: until
 * then a handler of the program's own must not wait for its loop. */
CEDE_API void cede_prep_signal_many(cede_req *, uint32_t signals, cede_item *item);

/* ---- Child processes ------------------------------------------------------------------------ */

#define CEDE_SPAWN_INHERIT_INPUT  0x1u /* this process's standard input, where stdio[0] is 0 */
#define CEDE_SPAWN_INHERIT_OUTPUT 0x2u
#define CEDE_SPAWN_INHERIT_ERROR  0x4u
#define CEDE_SPAWN_GROUP          0x8u /* a group of its own: ctrl-C at the terminal passes it by */
#define CEDE_SPAWN_ANY            0xfu

/* What to start, and how. Lent, with all that it points to, until done. */
typedef struct cede_spawn {
    const char *program;            /* UTF-8; without a slash it is looked for in PATH */
    const char *const *arguments;   /* NULL-terminated; the first is the program's name by custom */
    const char *const *environment; /* NULL-terminated, "NAME=value"; NULL: this process's. An empty
                                       text is no variable (Windows: it is left out) */
    const char *directory;          /* where it works; NULL: this process's */
    cede_handle
        stdio[3];   /* its standard input, output, error: files, sockets, or the child's ends of
                             pipes (cede_prep_pair, CEDE_PAIR_TO_CHILD, CEDE_PAIR_FROM_CHILD), of
                             this loop or of none yet (else CEDE_EINVAL). They stay the caller's:
                             drop them after done, not before (CEDE_EBADF), and do, or the pipe's
                             end is never seen. 0: inherited if the flag says so and it is there
                             (open; Linux: and not close-on-exec), else the null device. */
    uint32_t flags; /* CEDE_SPAWN_ */
} cede_spawn;

/* Starts a child process; result.handle is the child (CEDE_KIND_CHILD), *id (ceded; NULL: not
 * wanted) the system's number of it. The program is found as this process finds it: in its PATH, or
 * from its directory, where the path is relative, and not from the child's. No other descriptor of
 * this process reaches it, and on Linux no state of its signals: none is blocked, and each has its
 * own effect, also one that this process ignores. So what nohup is for is not handed on by itself:
 * a child that is to ignore a signal is begun by a program that does. A program that is not there,
 * or cannot be run, is the result: CEDE_ENOENT, CEDE_EACCES, CEDE_ENOEXEC (a file that is no
 * program: a script, too, without the line that says by what it is run).
 * CEDE_E2BIG: the arguments, or the environment, are more than the system takes (Linux: 128 KiB
 * for each text, some 2 MiB for all; Windows: 32,767 units for all arguments). Once it was begun a
 * cancel does not stop it: the child is delivered (law 8).
 * On Windows ".exe" is added to a name that is not there without it; batch files are not run (begin
 * cmd.exe), by whatever name, and names that are no paths there (file.h) are CEDE_EINVAL; a program
 * may have a path of more than 259 units, and may find that its own name begins with \\?\ then, but
 * no process can work in a directory of more than 258: CEDE_ENAMETOOLONG; arguments go by the rules
 * of Microsoft's C library, whose first can hold no quotation mark (CEDE_EINVAL); a file that was
 * made for overlapped I/O, as all that cede opens are, is opened anew for the child, at the
 * position that it has here (CEDE_EBUSY, if it was imported and its owner shares it with nobody;
 * all that cede opens is shared; CEDE_EACCES, if that handle may write and the file is read-only by
 * now). From then on the child's position is its own (one, if a handle is given twice): what this
 * process writes at CEDE_CURRENT afterwards starts where it was itself, over what the child has
 * written; open what both write with CEDE_OPEN_APPEND. Elsewhere they share one. A socket is for
 * few programs there: those of this library, and all that are made for overlapped I/O, cannot be
 * read or written by the plain calls that programs use on their standard streams (ReadFile without
 * an OVERLAPPED says ERROR_INVALID_PARAMETER): give the child pipes, and relay (cede_relay)
 * between those and the socket. Few programs run there without SystemRoot in their environment. */
CEDE_API void cede_prep_spawn(cede_req *, const cede_spawn *how, uint64_t *id);

/* In the count of a child_wait: it was ended by a signal, whose system's number is the rest. */
#define CEDE_CHILD_KILLED (UINT64_C(1) << 32)

/* Waits until the child has ended; count is its exit code, or CEDE_CHILD_KILLED with the number of
 * the signal that ended it (never on Windows). Any number of them, before and after its end: all
 * are told. Cancelled, it leaves the child alone.
 * Linux: the library takes ended children away when their handles are closed. One whose handle is
 * closed while it runs is taken away when it ends, by that loop, as long as it is run; else it is
 * a zombie until the next spawn, or close of a child, by any loop: no handler of SIGCHLD is set
 * for it, that is the program's. One whose handle was released is the program's to wait for, and so
 * are those that it began by itself, whatever their numbers. In a program that ignores SIGCHLD, or
 * waits for any child that it has (waitpid of -1), what a child ended with may be gone:
 * CEDE_EUNKNOWN, with ECHILD. Where /proc is not mounted, a child that is closed while it runs is a
 * zombie until this process ends. */
CEDE_API void cede_prep_child_wait(cede_req *, cede_handle child);

enum {
    CEDE_KILL_ASK, /* Linux: SIGTERM, which the child may take as it likes; Windows: as by force */
    CEDE_KILL_FORCE
};

/* Asks a child to end, or ends it. Wait for it all the same. Of a child that has ended: CEDE_OK. */
CEDE_API void cede_prep_child_kill(cede_req *, cede_handle child, uint32_t how);

/* ---- Changes of directories ----------------------------------------------------------------- */

/* Begins to watch a directory, not what lies deeper; result.handle is the watch. Changes are kept
 * from here on, and read by watch_many. To watch one file, watch its directory and compare names:
 * only that survives a file's replacement by a rename. Windows may tell a file that has a short
 * name (8.3: PROGRA~1) by that one, if somebody has used it so, and without a way to ask when the
 * file is gone: do not take a name with a tilde for one that you do not know.
 * What is changed through another name of a file, elsewhere, may be told or not (Linux: only what
 * is changed through the name in this directory); through a file that is open it may be told when
 * that name is gone already (Linux: CEDE_CHANGE_MODIFIED behind CEDE_CHANGE_REMOVED).
 * On Linux the close of a watch takes up to a quarter of a second on a busy machine; it is made on
 * a thread of the pool, and keeps no loop, but where there is no thread. Only a cede_drop of one
 * that no loop has used yet closes it in the call: use a close request where that matters.
 * CEDE_ENOENT, CEDE_ENOTDIR; flags: 0. */
CEDE_API void cede_prep_watch(cede_req *, const char *path, uint32_t flags);

enum {
    CEDE_CHANGE_CREATED = 1, /* a name is there that was not */
    CEDE_CHANGE_REMOVED,     /* a name is gone */
    CEDE_CHANGE_MODIFIED, /* data or attributes of what has the name, or had it; may be told several
                             times, and of a write that wrote nothing */
    CEDE_CHANGE_RENAMED_FROM, /* the name is gone: the next, with the new one, may be elsewhere */
    CEDE_CHANGE_RENAMED_TO,
    CEDE_CHANGE_LOST, /* some changes were lost: look at all of it. No name */
    CEDE_CHANGE_GONE  /* the directory itself is removed (Linux tells it when nobody has it open any
                        more, nor works in it), or moved (not told by Windows: there the watch goes
                        on); nothing comes any more. No name */
};

/* Gives changes until it is cancelled: each item has a buffer of the pool, the callee's to give
 * back, with count bytes of changes in it, to be walked with cede_next_change. Buffers must have
 * CEDE_WATCH_BYTES at least (CEDE_EINVAL). While the pool is empty, changes keep in the system, as
 * many as it will hold (then CEDE_CHANGE_LOST tells). One at a time on a watch; a second takes its
 * turn behind it. done comes with CEDE_OK behind CEDE_CHANGE_GONE (and at once for who comes
 * later), or with the reason; CEDE_EMFILE: there is no descriptor that its end may need. */
CEDE_API void cede_prep_watch_many(cede_req *, cede_handle watch, cede_pool *, cede_item *item);

/* Room for one change with the longest name. */
#define CEDE_WATCH_BYTES 1024u

/* Changes lie behind each other and are only as long as their names: do not copy one as a struct.
 * */
typedef struct cede_change {
    uint16_t change_bytes; /* from this one to the next; a multiple of 8 */
    uint8_t what;          /* CEDE_CHANGE_ */
    uint8_t unused_;
    char name[1020]; /* in the directory; UTF-8, NUL-terminated */
} cede_change;

/* The change at *position_bytes (0 at first) of `count` bytes, and moves the position on; NULL at
 * the end. Any thread. */
CEDE_API const cede_change *cede_next_change(const void *buffer, uint64_t count,
                                             uint64_t *position_bytes);

#ifdef __cplusplus
}
#endif
#endif
