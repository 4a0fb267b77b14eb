/* Stepping for a screen: a thread that talks with the tracer (probe/step.h), and each time that the
 * program stands still puts what happened, a complete sample and the word that it stands
 * (RECORD_ENGINE) into the queue. */
#ifndef VMSCOPE_SAMPLER_STEPPING_H
#define VMSCOPE_SAMPLER_STEPPING_H

#include "base/err.h"
#include "model/goal.h"
#include "sampler/queue.h"
#include "sampler/sampler.h"

struct stepping;

/* Takes options->pid, a held child, which stands still first behind its exec. The thread keeps a
 * reference of the queue. 0 or a negative errno with *e set. */
int stepping_start(const struct sampler_options *options, bool follow, struct queue *queue,
                   struct stepping **out, struct err *e);

/* Ends the thread; the program goes on alone. The queue must be closed by now. NULL is fine. */
void stepping_stop(struct stepping *s);

/* Goes on until the goal is met. */
void stepping_go(struct stepping *s, const struct step_goal *goal);
/* Stands still at the next event, if it goes. */
void stepping_hold(struct stepping *s);
/* An event every so many milliseconds by itself; 0: no longer. */
void stepping_pace(struct stepping *s, unsigned ms);

/* Samples are of the process of the last event; pinned, of the one they are of now, while it is
 * there. */
void stepping_pin(struct stepping *s, bool pin);

/* As watch_look and watch_ask_page: the addresses on the screen, and the page to ask all about. */
void stepping_look(struct stepping *s, uint64_t start, uint64_t end);
void stepping_ask_page(struct stepping *s, uint64_t address);

/* Waits so long at the most until the page that was asked for is answered; false while it is not. */
bool stepping_answered(struct stepping *s, unsigned ms);

/* Waits so long at the most until it stands still, or has ended, and all questions are answered;
 * false while it does not. */
bool stepping_settle(struct stepping *s, unsigned ms);

#endif
