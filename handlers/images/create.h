/*
 * create.h - what can be drawn: the first screen of every picture.
 *
 * Words that are sent right there are a description, as after its button, and
 * so is a photo, which is put into words first.
 */
#pragma once
#include "handlers/turn.h"

err *on_create_open(struct turn *t);
