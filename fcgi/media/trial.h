/*
 * trial.h - does what the cage forbids, to see that it holds.
 *
 * By name: socket exec fork write read memory code time. A cage that holds ends
 * the process by a signal or lets it return 0; 1 means that the thing was done,
 * 2 that there is no such trial. Tests ask for this.
 */
#pragma once

int trial_of_cage(const char *name);
