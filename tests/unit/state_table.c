/*
 * The state table of docs/ownership.md says what src/core/request.c does: same states in the same
 * order, same successors. And so do the models, if there are files with the moves that they made
 * (tests/model). Usage: unit_state_table DOCS/ownership.md [MOVES...]
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "core.h"

#define STATES_MOST 32

/* The text between two columns of a row, without spaces, back ticks and asterisks around it. */
static char *cell(char **row)
{
    char *begin = *row, *end = strchr(begin, '|');
    REQUIRE(end, "a row without its last column: %s", begin);
    *row = end + 1;
    while (begin < end && strchr(" `*", *begin))
        begin++;
    while (end > begin && strchr(" `*", end[-1]))
        end--;
    *end = '\0';
    return begin;
}

static unsigned state_of(const char *name)
{
    for (unsigned state = 0; cedi_req_state_name(state); state++) {
        if (strcmp(cedi_req_state_name(state), name) == 0)
            return state;
    }
    REQUIRE(false, "the table names %s, which request.c does not have", name);
    return 0;
}

static unsigned successors(char *text)
{
    unsigned set = 0;
    for (char *name = strtok(text, ", "); name; name = strtok(NULL, ", "))
        set |= 1u << state_of(name);
    return set;
}

/* Lines "moves FROM TO", of all configurations of a model, many of them more than once. */
static void read_moves(const char *path, unsigned made[STATES_MOST])
{
    char line[256], from[32], to[32];
    FILE *file = fopen(path, "r");
    REQUIRE(file, "%s cannot be read", path);
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "moves %31s %31s", from, to) == 2)
            made[state_of(from)] |= 1u << state_of(to);
    }
    (void)fclose(file);
}

static void compare_models(const unsigned made[STATES_MOST], unsigned states)
{
    for (unsigned state = 0; state < states; state++)
        for (unsigned to_state = 0; to_state < states; to_state++)
            REQUIRE((made[state] >> to_state & 1) == (cedi_req_successors(state) >> to_state & 1),
                    "%s -> %s: a model makes it: %s", cedi_req_state_name(state),
                    cedi_req_state_name(to_state), made[state] >> to_state & 1 ? "yes" : "no");
}

int main(int argc, char **argv)
{
    char line[4096];
    bool inside = false, found = false;
    unsigned states = 0, rows = 0, made[STATES_MOST] = {0};
    REQUIRE(argc >= 2, "usage: %s OWNERSHIP.MD [MOVES...]", argv[0]);
    FILE *file = fopen(argv[1], "r");
    REQUIRE(file, "%s cannot be read", argv[1]);

    while (cedi_req_state_name(states))
        states++;
    REQUIRE(states > 0 && states < STATES_MOST, "%u states", states);
    REQUIRE(cedi_req_successors(states) == 0, "a successor of what is no state");

    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (strcmp(line, "<!-- state-table -->") == 0) {
            inside = found = true;
        } else if (strcmp(line, "<!-- /state-table -->") == 0) {
            inside = false;
        } else if (inside && line[0] == '|' && strncmp(line, "| state", 7) != 0 &&
                   strncmp(line, "|---", 4) != 0) {
            char *row = line + 1;
            const char *name = cell(&row);
            const char *owner = cell(&row);
            unsigned claimed, actual = cedi_req_successors(rows);
            REQUIRE(rows < states, "more rows than states: %s", name);
            REQUIRE(strcmp(name, cedi_req_state_name(rows)) == 0, "row %u is %s, the state %s",
                    rows, name, cedi_req_state_name(rows));
            REQUIRE(*owner, "%s has no owner", name);
            claimed = successors(cell(&row));
            for (unsigned to = 0; to < states; to++)
                REQUIRE((claimed >> to & 1) == (actual >> to & 1), "%s -> %s: the table says %s",
                        name, cedi_req_state_name(to), claimed >> to & 1 ? "yes" : "no");
            rows++;
        }
    }
    (void)fclose(file);
    REQUIRE(found && !inside, "the marks of the table are missing in %s", argv[1]);
    REQUIRE(rows == states, "%u rows for %u states", rows, states);
    for (int i = 2; i < argc; i++)
        read_moves(argv[i], made);
    if (argc > 2)
        compare_models(made, states);
    printf("%u states agree\n", rows);
    return 0;
}
