/*
 * What is asked of the system: descriptors, children, signals, names; how its backend is set up;
 * whether a reset can look like an orderly end, which no receive can tell then.
 */
#include "storm.h"

#include "cede/uring.h"
#include "cede/win32.h"

static char program[4096];

const char *storm_program(void)
{
    return program;
}

#if defined(_WIN32)

const uint32_t storm_signals = CEDE_SIGNAL_BIT(CEDE_SIGNAL_INTERRUPT);
const uint32_t storm_ear_signal = CEDE_SIGNAL_QUIT;
const bool storm_kills_with_a_code = true;

/* Calls to be made instead of the system's; the handler of console events, once there is one. */
static cede_win32_calls calls;
static BOOL(WINAPI *_Atomic handler)(DWORD);

static uint32_t get_addresses(const wchar_t *host, int family, void **found)
{
    char narrow[2] = {(char)host[0], '\0'};
    storm_looking(narrow);
    return cede_win32_system_calls()->get_addresses(host, family, found);
}

/* There may be no console. */
static uint32_t add_console_handler(void (*added)(void))
{
    handler = (BOOL(WINAPI *)(DWORD))added;
    return 0;
}

static uint32_t remove_console_handler(void (*removed)(void))
{
    (void)removed; /* the one that was there before */
    return 0;
}

void storm_os_make(void)
{
    DWORD length = GetModuleFileNameA(NULL, program, sizeof program);
    port_must(length > 0 && length < sizeof program, "this program's name");
    calls.get_addresses = get_addresses;
    calls.add_console_handler = add_console_handler;
    calls.remove_console_handler = remove_console_handler;
}

/* The first asks for names as it must where the system cannot be asked without a thread. */
const void *storm_config(uint32_t number)
{
    static cede_win32_config configs[STATIONS];
    configs[number].calls = &calls;
    configs[number].without = number == 0 ? CEDE_WIN32_NO_LOOKUP : 0;
    return &configs[number];
}

void storm_raise(uint32_t signal)
{
    BOOL(WINAPI * now)(DWORD) = handler;
    if (now)
        (void)now(signal == CEDE_SIGNAL_INTERRUPT ? CTRL_C_EVENT : CTRL_BREAK_EVENT);
}

bool storm_signals_are_back(void)
{
    BOOL(WINAPI * now)(DWORD) = handler;
    return !now || (!now(CTRL_C_EVENT) && !now(CTRL_BREAK_EVENT));
}

/* What it is called, or what kind it is: "Event", "File"... */
enum { NAME = 1, KIND };

static const char *ask_of(HANDLE handle, int what, char *out, size_t room)
{
    typedef LONG WINAPI query(HANDLE, int, void *, ULONG, ULONG *);
    union {
        struct {
            USHORT bytes, room;
            wchar_t *text;
        } name; /* a UNICODE_STRING, which is the first of the answer */
        char all[2048];
    } told;
    HMODULE module = GetModuleHandleA("ntdll.dll");
    query *ask = module ? (query *)(void (*)(void))GetProcAddress(module, "NtQueryObject") : NULL;
    if (!ask || ask(handle, what, &told, sizeof told, NULL) < 0 || !told.name.text)
        return "unknown";
    (void)snprintf(out, room, "%.*ls", (int)(told.name.bytes / sizeof(wchar_t)), told.name.text);
    return out;
}

/* One after the other: GetProcessHandleCount says 0 on Wine. The lowest that is free is used. */
static uint64_t each_handle(bool events, bool tells)
{
    uint64_t count = 0;
    for (uintptr_t handle = 4, gap = 0; gap < 2048; handle += 4, gap++) {
        DWORD flags;
        char room[64], name[512];
        if (!GetHandleInformation((HANDLE)handle, &flags))
            continue;
        const char *kind = ask_of((HANDLE)handle, KIND, room, sizeof room);
        gap = 0;
        if (strcmp(kind, "Event") == 0)
            count += events;
        else if (strcmp(kind, "Semaphore") != 0) /* a critical section's, for good */
            count += !events;
        if (tells)
            (void)fprintf(stderr, "storm: handle %llx is of kind %s: %s\n",
                          (unsigned long long)handle, kind,
                          ask_of((HANDLE)handle, NAME, name, sizeof name));
    }
    return count;
}

uint64_t storm_count_descriptors(void)
{
    return each_handle(false, false);
}

uint64_t storm_count_events(void)
{
    return each_handle(true, false);
}

void storm_tell_descriptors(void)
{
    (void)each_handle(false, true);
}

/* Under Wine it may: see reset_is_no_news_later in ../conformance/wine.def. */
bool storm_tells_resets(void)
{
    HMODULE module = GetModuleHandleA("ntdll.dll");
    return !module || !GetProcAddress(module, "wine_get_version");
}

/* Wine's starts of processes fail so now and then: see 1359 in ../../docs/facts-windows.md. */
bool storm_excuses_start(int32_t os_error)
{
    return os_error == ERROR_INTERNAL_ERROR;
}

/* Wine binds wherever it is told to, and calls all of it 127.0.0.1. */
cede_address storm_home(void)
{
    return cede_address_loopback(CEDE_ADDRESS_IPV4, 0);
}

void storm_local_path(const char *folder, uint32_t number, char *out, size_t room)
{
    (void)folder;
    snprintf(out, room, "cede-storm-%lu-%u", GetCurrentProcessId(), (unsigned)number);
}

void storm_folder_make(const char *path)
{
    port_must(CreateDirectoryA(path, NULL), "a folder");
}

static size_t input(char *bytes, size_t room)
{
    DWORD count = 0;
    return ReadFile(GetStdHandle(STD_INPUT_HANDLE), bytes, (DWORD)room, &count, NULL) ? count : 0;
}

static bool output(const char *bytes, size_t count)
{
    DWORD gone = 0;
    return WriteFile(GetStdHandle(STD_OUTPUT_HANDLE), bytes, (DWORD)count, &gone, NULL) &&
           gone == count;
}

/* Handles tell. */
bool storm_child_is_left(void)
{
    return false;
}

#else

#include <dirent.h>
#include <errno.h>

const uint32_t storm_signals =
    CEDE_SIGNAL_BIT(CEDE_SIGNAL_USER_1) | CEDE_SIGNAL_BIT(CEDE_SIGNAL_USER_2);
const uint32_t storm_ear_signal = CEDE_SIGNAL_RESIZE;
const bool storm_kills_with_a_code = false;

static const int numbers[CEDE_SIGNAL_COUNT] = {[CEDE_SIGNAL_USER_1] = SIGUSR1,
                                               [CEDE_SIGNAL_USER_2] = SIGUSR2,
                                               [CEDE_SIGNAL_RESIZE] = SIGWINCH};

/* While nobody takes them they are ignored. */
void storm_os_make(void)
{
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    port_must(length > 0, "this program's name");
    for (uint32_t i = 1; i < CEDE_SIGNAL_COUNT; i++) {
        if (numbers[i])
            (void)signal(numbers[i], SIG_IGN);
    }
}

static void looking(void *context, const char *host)
{
    (void)context;
    storm_looking(host);
}

const void *storm_config(uint32_t number)
{
    static const cede_uring_config config = {.looking = looking};
    (void)number;
    return &config;
}

/* When it returns this thread's handler has run. */
void storm_raise(uint32_t signal)
{
    (void)raise(numbers[signal]);
}

bool storm_signals_are_back(void)
{
    struct sigaction now;
    for (uint32_t i = 1; i < CEDE_SIGNAL_COUNT; i++) {
        if (numbers[i] && (sigaction(numbers[i], NULL, &now) != 0 || now.sa_handler != SIG_IGN))
            return false;
    }
    return true;
}

uint64_t storm_count_descriptors(void)
{
    uint64_t count = 0;
    DIR *directory = opendir("/proc/self/fd");
    port_must(directory != NULL, "counting descriptors");
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;)
        count += entry->d_name[0] != '.';
    (void)closedir(directory);
    return count - 1; /* the one that looks */
}

uint64_t storm_count_events(void)
{
    return 0; /* they are descriptors */
}

void storm_tell_descriptors(void)
{
    for (int fd = 0; fd < 4096; fd++) {
        char path[64], is[256];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        ssize_t length = readlink(path, is, sizeof is);
        if (length >= 0)
            (void)fprintf(stderr, "storm: descriptor %d is %.*s\n", fd, (int)length, is);
    }
}

bool storm_tells_resets(void)
{
    return true;
}

bool storm_excuses_start(int32_t os_error)
{
    (void)os_error;
    return false;
}

/* Ports are used again, by whomever: what is on its way to one must not reach another program. */
cede_address storm_home(void)
{
    uint32_t number = (uint32_t)getpid();
    return cede_ipv4(127, (uint8_t)(1 + number / 62500 % 250), (uint8_t)(1 + number / 250 % 250),
                     (uint8_t)(1 + number % 250), 0);
}

void storm_local_path(const char *folder, uint32_t number, char *out, size_t room)
{
    int length = snprintf(out, room, "%s/local-%u", folder, (unsigned)number);
    port_must(length <= CEDE_ADDRESS_PATH, "a local name: TMPDIR is too long for one");
}

void storm_folder_make(const char *path)
{
    port_must(mkdir(path, 0755) == 0, "a folder");
}

static size_t input(char *bytes, size_t room)
{
    ssize_t count = read(STDIN_FILENO, bytes, room);
    return count > 0 ? (size_t)count : 0;
}

/* It may find nobody who reads. */
static bool output(const char *bytes, size_t count)
{
    (void)signal(SIGPIPE, SIG_IGN);
    while (count > 0) {
        ssize_t gone = write(STDOUT_FILENO, bytes, count);
        if (gone <= 0)
            return false;
        bytes += gone;
        count -= (size_t)gone;
    }
    return true;
}

/* Running, or ended and never taken away. */
bool storm_child_is_left(void)
{
    siginfo_t info;
    return waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 || errno != ECHILD;
}

#endif

/* Ends at once with a number, or when it has copied all its input to its output. */
int storm_child_main(const char *what)
{
    char bytes[4096];
    size_t count;
    if (strcmp(what, "echo") != 0)
        return atoi(what);
    while ((count = input(bytes, sizeof bytes)) > 0 && output(bytes, count))
        ;
    return STORM_ECHO_ENDS;
}
