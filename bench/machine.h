/*
 * What the figures were taken on: for the report's head and the JSON.
 */
#ifndef CEDE_BENCH_MACHINE_H
#define CEDE_BENCH_MACHINE_H

typedef struct bench_machine {
    char processor[96], kernel[160], file_system[32], when[32];
    char compiler[96], liburing[64], libuv[32], libevent[32], cede[32];
    long processors;
    double memory_gib, load; /* processors that others kept busy in the minute before */
} bench_machine;

void bench_look_at_machine(bench_machine *, const char *dir);

#endif
