/*
 * SoftHSM2 that fails when it is told to, for tests. What is not here is SoftHSM2's own.
 *
 * The file that FAULTS names has one word, read at every call:
 *
 * make-kill   C_GenerateKey and C_GenerateKeyPair do their work, and end the process that has
 *             started this one: the server
 * make-die    they do their work, and end this process: the host
 * make-fail   they do their work, and say CKR_FUNCTION_FAILED
 * error       C_EncryptInit says CKR_DEVICE_ERROR
 * refuse      C_EncryptInit says CKR_MECHANISM_INVALID
 * slow        C_Encrypt takes 200 ms
 * hang        C_OpenSession does not come back
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef unsigned long word;

enum { FUNCTION_FAILED = 0x6, DEVICE_ERROR = 0x30, MECHANISM_INVALID = 0x70, SLOW = 200000 };

static void *real(const char *name) {
  return dlsym(dlopen(SOFTHSM, RTLD_NOW), name);
}

static int is(const char *fault) {
  char said[32] = "";
  const char *path = getenv("FAULTS");
  FILE *file = path == NULL ? NULL : fopen(path, "r");
  if (file == NULL) return 0;
  if (fscanf(file, "%31s", said) != 1) said[0] = 0;
  fclose(file);
  return strcmp(said, fault) == 0;
}

static word made(word answer) {
  if (is("make-kill")) kill(getppid(), SIGKILL);
  if (is("make-kill") || is("make-die")) raise(SIGKILL);
  return is("make-fail") ? FUNCTION_FAILED : answer;
}

word C_GenerateKey(word session, void *mechanism, void *template, word count, word *key) {
  word (*own)(word, void *, void *, word, word *) = real("C_GenerateKey");
  return made(own(session, mechanism, template, count, key));
}

word C_GenerateKeyPair(word session, void *mechanism, void *public, word publics, void *private,
                       word privates, word *key, word *other) {
  word (*own)(word, void *, void *, word, void *, word, word *, word *) = real("C_GenerateKeyPair");
  return made(own(session, mechanism, public, publics, private, privates, key, other));
}

word C_OpenSession(word slot, word flags, void *application, void *notify, word *session) {
  word (*own)(word, word, void *, void *, word *) = real("C_OpenSession");
  while (is("hang")) usleep(SLOW);
  return own(slot, flags, application, notify, session);
}

word C_EncryptInit(word session, void *mechanism, word key) {
  word (*own)(word, void *, word) = real("C_EncryptInit");
  if (is("error")) return DEVICE_ERROR;
  return is("refuse") ? MECHANISM_INVALID : own(session, mechanism, key);
}

word C_Encrypt(word session, void *data, word bytes, void *out, word *room) {
  word (*own)(word, void *, word, void *, word *) = real("C_Encrypt");
  if (is("slow")) usleep(SLOW);
  return own(session, data, bytes, out, room);
}
