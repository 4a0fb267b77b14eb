/* The parse and format functions of the simple statements: what stands in the table of forms. Those
 * of `map` and `expect` have files of their own (parse.h). */
#ifndef VMSCOPE_SCENARIO_STATEMENTS_H
#define VMSCOPE_SCENARIO_STATEMENTS_H

#include "scenario/parse.h"

#define STATEMENT(name)                                                                            \
    int parse_##name(struct parser *p, struct statement *st);                                      \
    void format_##name(const struct statement *st, struct buf *out)

STATEMENT(nothing); /* pause, exit, end */
STATEMENT(text);    /* title, about, note */
STATEMENT(needs);
STATEMENT(file);
STATEMENT(open);
STATEMENT(new_fd);  /* directory */
STATEMENT(pipe);
STATEMENT(old_name); /* close, free, evict, wait */
STATEMENT(touch);   /* a target and nothing more */
STATEMENT(remote);  /* PROC:A[..] */
STATEMENT(exec);
STATEMENT(protect);
STATEMENT(advise);
STATEMENT(lock);
STATEMENT(remap);
STATEMENT(remap_file);
STATEMENT(brk);
STATEMENT(malloc);
STATEMENT(grow_stack);
STATEMENT(lockall);
STATEMENT(write); /* write, race */
STATEMENT(syswrite);
STATEMENT(clear_refs);
STATEMENT(uffd);
STATEMENT(fork);
STATEMENT(kill);
STATEMENT(resource);
STATEMENT(become);
STATEMENT(special);
STATEMENT(kernel_array);
STATEMENT(seal);
STATEMENT(truncate);
STATEMENT(cut);
STATEMENT(region);
STATEMENT(swapoff);
STATEMENT(repeat);

#undef STATEMENT

#endif
