/* A row of the process list. */
#ifndef VMSCOPE_MODEL_PROCESS_H
#define VMSCOPE_MODEL_PROCESS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct process_entry {
    pid_t pid;
    char user[33];
    char name[256]; /* command line or comm; raw foreign bytes: escape before showing */
    uint64_t rss;   /* bytes */
};

struct process_list {
    struct process_entry *v; /* owned; by falling RSS */
    size_t count;
};
void process_list_deinit(struct process_list *l);
void process_list_sort(struct process_list *l); /* by falling RSS, ties by pid */

#endif
