#include <errno.h>
#include "scenario/run_parts.h"
int run_begin(const struct script *s, const struct run_options *o, const struct observer *w, struct run **out, struct err *e){(void)s;(void)o;(void)w;(void)out;return err_set(e,-ENOTSUP,"not there yet");}
void run_end(struct run *r){(void)r;}
size_t run_next(const struct run *r){(void)r;return 0;}
int run_step(struct run *r, struct outcome *out, struct err *e){(void)r;(void)out;(void)e;return 0;}
struct process *run_find_process(const struct run *r, const char *name){(void)r;(void)name;return NULL;}
struct named_file *run_find_file(const struct run *r, const char *name){(void)r;(void)name;return NULL;}
bool run_find_range(const struct process *p, const struct target *t, uint64_t *first, uint64_t *end, uint64_t *page_size){(void)p;(void)t;(void)first;(void)end;(void)page_size;return false;}
void run_describe_result(const struct stage_result *result, char *out, size_t cap){(void)result;(void)out;(void)cap;}
