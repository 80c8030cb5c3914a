/*
 * Runs one case in a process of its own, perhaps under a tool, and judges how that ended.
 *
 *   cede_check --list
 *   cede_check --backend NAME --case NAME [-- TOOL ARGUMENT...]
 *
 * Ends with 0 if it went as it should, 77 if the case makes no sense in this build.
 */
#include "../port.h"
#include "check.h"
#include "child.h"

#define LIMIT_SECONDS 60
#define WANTS_MOST    16

enum kind {
    TOUCH,
    CHANGE,
    LENT,
    FREE,
    POISON,
    OUTPUT,
    TAKEN,
    SHADOW,
    FREED,
    TRAP,
    STOP,
    TOLD,
    ANEW,
    MISUSE,
    GOOD
};

static const struct row {
    enum kind kind;
    const char *name;
    const char *sentence;
    check_fn *fn;
} rows[] = {
#define CHECK_CASE(kind, name, sentence) {kind, #name, sentence, check_##name},
#include "cases.def"
};

static const struct row *find(const char *name)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    }
    fprintf(stderr, "no case %s\n", name);
    exit(2);
}

/* ---- The other process ---------------------------------------------------------------------- */

/* The case's folder, which the judge makes: the case may end before it could clear up. */
static char folder[256];

static void run(child_end *end, char **tool, char *self, char *backend, const struct row *row)
{
    char *arguments[64];
    size_t count = 0;
    while (*tool && count < 56)
        arguments[count++] = *tool++;
    arguments[count++] = self;
    arguments[count++] = (char *)(uintptr_t) "--child";
    arguments[count++] = backend;
    arguments[count++] = (char *)(uintptr_t)row->name;
    arguments[count++] = folder;
    arguments[count] = NULL;
    child_run(end, arguments, LIMIT_SECONDS);
}

static void folder_remove(void)
{
    static const char *const names[] = {"file", "link", "absent"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char path[sizeof folder + 16];
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)remove(path);
    }
    port_folder_gone(folder);
}

/* ---- Judging -------------------------------------------------------------------------------- */

/* What the case said about itself, and apart from it what the library and the tools said. */
struct told {
    const char *lines[WANTS_MOST], *wants[WANTS_MOST];
    size_t line_count, want_count;
    char said[CHILD_OUTPUT_MOST];
};

/* What valgrind says of itself: "--PID-- ". It warns of system calls that it does not know. */
static bool is_of_the_tool(const char *line)
{
    size_t digits = strncmp(line, "--", 2) == 0 ? strspn(line + 2, "0123456789") : 0;
    return digits > 0 && strncmp(line + 2 + digits, "-- ", 3) == 0;
}

static void sort_out(child_end *end, struct told *told)
{
    char *at = told->said;
    for (char *line = strtok(end->output, "\n"); line; line = strtok(NULL, "\n")) {
        if (strncmp(line, "@line ", 6) == 0 && told->line_count < WANTS_MOST) {
            told->lines[told->line_count++] = line + 6;
        } else if (strncmp(line, "@want ", 6) == 0 && told->want_count < WANTS_MOST) {
            told->wants[told->want_count++] = line + 6;
        } else if (!is_of_the_tool(line)) {
            size_t length = strlen(line);
            memcpy(at, line, length);
            at += length;
            *at++ = '\n';
        }
    }
}

static bool says(const struct told *told, const char *text)
{
    if (strstr(told->said, text))
        return true;
    printf("nothing says: %s\n", text);
    return false;
}

/* A tool's report, with every line that was marked. */
static bool tool_says(const struct told *told, const char *text)
{
    bool all = says(told, text);
    for (size_t i = 0; i < told->line_count; i++)
        all = says(told, told->lines[i]) && all;
    if (told->line_count == 0)
        printf("the case marked no line\n");
    return all && told->line_count > 0;
}

/* One line of the library's, with everything that is wanted in it. */
static bool one_line_says(struct told *told, const char *text)
{
    static char copy[CHILD_OUTPUT_MOST];
    memcpy(copy, told->said, sizeof copy);
    for (char *line = strtok(copy, "\n"); line; line = strtok(NULL, "\n")) {
        size_t i = 0;
        while (i < told->want_count && strstr(line, told->wants[i]))
            i++;
        if (i == told->want_count && strstr(line, text) && strncmp(line, "cede: ", 6) == 0)
            return true;
    }
    printf("no line says all of this: %s", text);
    for (size_t i = 0; i < told->want_count; i++)
        printf(", %s", told->wants[i]);
    printf("\n");
    return false;
}

/* The library's line, and no other of its lines. */
static bool one_line_only(struct told *told, const char *text)
{
    const char *second = strstr(told->said, "cede: ");
    second = second ? strstr(second + 1, "cede: ") : NULL;
    if (second)
        printf("there is a second line\n");
    return one_line_says(told, text) && !second;
}

static bool as_it_should(enum kind kind, struct told *told, bool valgrind)
{
    bool tool = WITH_ASAN || valgrind;
    const char *trap = WITH_ASAN ? "AddressSanitizer: use-after-poison" : "Invalid ";
    switch (kind) {
    case CHANGE:
        if (!tool)
            return one_line_says(told, "law 5: ");
        /* fall through */
    case TOUCH:
        return tool_says(told, trap);
    case LENT:
        return one_line_says(told, "law 5: ") && says(told, "changed while it was ceded");
    case FREE:
    case SHADOW:
        return one_line_says(told, "law 5: freed");
    case POISON:
        if (told->want_count)
            return one_line_says(told, "law 5: freed");
        return tool_says(told, "AddressSanitizer: heap-");
    case OUTPUT:
        return tool_says(told, WITH_ASAN ? "AddressSanitizer: heap-" : "Unaddressable byte(s)");
    case TAKEN:
        return one_line_says(told, "law 5: an output that is another's already");
    case FREED:
        return tool_says(told, WITH_ASAN ? "heap-use-after-free" : "free'd");
    case TRAP:
    case STOP:
        return one_line_only(told, "law 5: ");
    case TOLD:
        return one_line_says(told, "law ");
    case ANEW:
        return tool ? tool_says(told, trap) : one_line_says(told, "law 17: ");
    case MISUSE:
        return one_line_says(told, "law 1");
    default:
        if (told->said[0] == '\0')
            return true;
        printf("it is not silent\n");
        return false;
    }
}

static bool makes_sense(enum kind kind, bool valgrind)
{
    switch (kind) {
    case MISUSE:
    case GOOD:
        return true;
    case CHANGE:
    case LENT:
    case TOLD:
    case ANEW:
        return cede_is_checked();
    case POISON:
        return WITH_ASAN;
    case TRAP:
    case STOP:
        return cede_is_checked() && !WITH_ASAN;
    case SHADOW:
        return valgrind && cede_is_checked();
    default:
        return (WITH_ASAN || valgrind) && cede_is_checked();
    }
}

static int judge(const struct row *row, child_end *end, bool valgrind)
{
    static struct told told;
    bool died = end->code != 0;
    bool good;
    if (end->code == CHECK_SKIPPED) {
        (void)fputs(end->output, stdout);
        return CHECK_SKIPPED;
    }
    sort_out(end, &told);
    good = as_it_should(row->kind, &told, valgrind);
    if (died == (row->kind == GOOD)) {
        printf("it ended %s (code %d)\n", died ? "badly" : "well", end->code);
        good = false;
    }
    if ((row->kind == TRAP && !end->faulted) || (row->kind == STOP && end->faulted)) {
        printf("it ended at %s (code %d)\n", end->faulted ? "an access" : "no access", end->code);
        good = false;
    }
    if (end->hung)
        printf("it hung\n");
    if (good && !end->hung)
        return 0;
    printf("case %s: %s\nit said:\n%s", row->name, row->sentence, told.said);
    return 1;
}

int main(int argc, char **argv)
{
    static child_end end;
    const struct row *row;
    bool valgrind;
    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            printf("%s: %s\n", rows[i].name, rows[i].sentence);
        return 0;
    }
    check_self = argv[0];
    if (argc == 5 && strcmp(argv[1], "--child") == 0)
        return check_child(argv[2], find(argv[3])->fn, argv[4]);
    if (argc < 5 || strcmp(argv[1], "--backend") != 0 || strcmp(argv[3], "--case") != 0 ||
        (argc > 5 && strcmp(argv[5], "--") != 0)) {
        fprintf(stderr, "usage: %s --backend NAME --case NAME [-- TOOL ARGUMENT...]\n", argv[0]);
        return 2;
    }
    row = find(argv[4]);
    valgrind = argc > 6 && strstr(argv[6], "valgrind") != NULL;
    if (!makes_sense(row->kind, valgrind)) {
        printf("skipped: in this build nothing looks at that\n");
        return CHECK_SKIPPED;
    }
    port_folder(folder, sizeof folder);
    run(&end, argc > 6 ? argv + 6 : argv + argc, argv[0], argv[2], row);
    folder_remove();
    return judge(row, &end, valgrind);
}
