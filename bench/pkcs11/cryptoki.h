/*
 * What the benchmark uses of PKCS#11 2.40: structures, the list of functions, and constants.
 *
 * Written by hand, so that it does not lean on the header of the module that is measured.
 */
#ifndef CRYPTOKI_H
#define CRYPTOKI_H

typedef unsigned long ulong_t;
typedef unsigned char byte_t;

struct attribute {
    ulong_t type;
    void *value;
    ulong_t length;
};

struct mechanism {
    ulong_t type;
    void *parameter;
    ulong_t length;
};

struct gcm_parameters {
    byte_t *iv;
    ulong_t iv_length;
    ulong_t iv_bits;
    byte_t *aad;
    ulong_t aad_length;
    ulong_t tag_bits;
};

struct initialize_arguments {
    void *mutexes[4];
    ulong_t flags;
    void *reserved;
};

struct token_info {
    byte_t label[32];
    byte_t rest[512];
};

/* CK_FUNCTION_LIST; what is between the functions used here is only counted. */
struct functions {
    byte_t version[2];
    ulong_t (*initialize)(void *);
    ulong_t (*finalize)(void *);
    void *from_get_info[2];
    ulong_t (*get_slot_list)(byte_t, ulong_t *, ulong_t *);
    void *get_slot_info;
    ulong_t (*get_token_info)(ulong_t, struct token_info *);
    void *from_get_mechanism_list[5];
    ulong_t (*open_session)(ulong_t, ulong_t, void *, void *, ulong_t *);
    void *from_close_session[5];
    ulong_t (*login)(ulong_t, ulong_t, byte_t *, ulong_t);
    void *logout;
    ulong_t (*create_object)(ulong_t, struct attribute *, ulong_t, ulong_t *);
    void *from_copy_object[5];
    ulong_t (*find_objects_init)(ulong_t, struct attribute *, ulong_t);
    ulong_t (*find_objects)(ulong_t, ulong_t *, ulong_t, ulong_t *);
    ulong_t (*find_objects_final)(ulong_t);
    ulong_t (*encrypt_init)(ulong_t, struct mechanism *, ulong_t);
    ulong_t (*encrypt)(ulong_t, byte_t *, ulong_t, byte_t *, ulong_t *);
    void *from_encrypt_update[11];
    ulong_t (*sign_init)(ulong_t, struct mechanism *, ulong_t);
    ulong_t (*sign)(ulong_t, byte_t *, ulong_t, byte_t *, ulong_t *);
    void *from_sign_update[14];
    ulong_t (*generate_key)(ulong_t, struct mechanism *, struct attribute *, ulong_t, ulong_t *);
    ulong_t (*generate_key_pair)(ulong_t, struct mechanism *, struct attribute *, ulong_t,
                                 struct attribute *, ulong_t, ulong_t *, ulong_t *);
    void *from_wrap_key[4];
    ulong_t (*generate_random)(ulong_t, byte_t *, ulong_t);
};

enum {
    CKF_OS_LOCKING_OK = 2,
    CKF_RW_SERIAL = 6,
    CKU_USER = 1,
    CKR_MECHANISM_INVALID = 0x70,
    CKO_PRIVATE_KEY = 3,
    CKO_SECRET_KEY = 4,
    CKK_GENERIC_SECRET = 0x10,
    CKA_CLASS = 0,
    CKA_TOKEN = 1,
    CKA_PRIVATE = 2,
    CKA_LABEL = 3,
    CKA_VALUE = 0x11,
    CKA_KEY_TYPE = 0x100,
    CKA_SENSITIVE = 0x103,
    CKA_ENCRYPT = 0x104,
    CKA_DECRYPT = 0x105,
    CKA_SIGN = 0x108,
    CKA_VERIFY = 0x10a,
    CKA_MODULUS_BITS = 0x121,
    CKA_PUBLIC_EXPONENT = 0x122,
    CKA_VALUE_LEN = 0x161,
    CKA_EC_PARAMS = 0x180,
    CKM_RSA_PKCS_KEY_PAIR_GEN = 0,
    CKM_RSA_PKCS = 1,
    CKM_EC_KEY_PAIR_GEN = 0x1040,
    CKM_ECDSA = 0x1041,
    CKM_AES_KEY_GEN = 0x1080,
    CKM_AES_GCM = 0x1087,
};

#endif
