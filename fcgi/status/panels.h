/*
 * panels.h - the panels of the status page, each a section of its own. What is
 * of concern goes to the list at the top by page_concern().
 */
#pragma once
#include "status/html.h"

/* health.c: the stores, workers, outside parties, the webhook. */
void panel_health(struct page *p);

/* traffic.c: what comes in and what comes out. */
void panel_updates(struct page *p);
void panel_today(struct page *p);
void panel_images(struct page *p);

/* work.c: what waits, what is under way, what was given up. */
void panel_queues(struct page *p);
void panel_outbox(struct page *p);
void panel_open_orders(struct page *p);
void panel_open_trainings(struct page *p);
void panel_running_jobs(struct page *p);
void panel_dead_jobs(struct page *p);
void panel_parked(struct page *p);
void panel_events(struct page *p);

/* money.c: coins, Stars, and what the outside parties cost. */
void panel_coins(struct page *p);
void panel_payments(struct page *p);
void panel_spend(struct page *p);
