/*
 * A program of the examples that says when its main, which is called program_main here, has
 * returned: that a process ended well tells little where Wine says so of what ctrl-C has ended.
 */
#include <stdio.h>

int program_main(int count, char **words);

int main(int count, char **words)
{
    int code = program_main(count, words);
    printf("main has returned %d\n", code);
    return code;
}
