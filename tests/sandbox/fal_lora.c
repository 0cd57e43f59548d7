/*
 * The file that a trainer makes: safetensors, eight bytes of length (lowest first), that
 * many bytes of JSON which describe the tensors, then their bytes. It is small,
 * and it carries what makes an avatar known again: the trigger, and a face.
 */
#include "tests/sandbox/fal_inside.h"

enum { LENGTH_BYTES = 8, ALIGNMENT = 8, MOST_HEADER_BYTES = 1 << 20 };

str fal_lora_write(struct arena *a, const struct fal_lora_file *lora)
{
    str about = json_make(a, KV("format", "pt"), KV("base_model", "FLUX.1-dev"),
                          KV("trigger", lora->trigger.len ? lora->trigger : S("")),
                          KV("steps", str_printf(a, "%" PRId64, lora->steps)));
    str face = json_make(
        a, KV("dtype", "U8"),
        KV("shape", JSON(str_printf(a, "[%d,%d,3]", FAL_FACE_SIDE, FAL_FACE_SIDE))),
        KV("data_offsets", JSON(str_printf(a, "[0,%d]", FAL_FACE_BYTES))));
    str header = json_make(a, KV("__metadata__", JSON(about)), KV("face", JSON(face)));

    struct buf b = buf_new(a);
    size_t length = (header.len + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    for (int i = 0; i < LENGTH_BYTES; i++)
        buf_add_char(&b, (char)(length >> 8 * i & 0xff));
    buf_add(&b, header);
    for (size_t i = header.len; i < length; i++)
        buf_add_char(&b, ' ');
    buf_add(&b, (str){(const char *)lora->face.pixels, FAL_FACE_BYTES});
    return buf_str(&b);
}

static bool is_number_at(struct json_object *array, size_t index, int64_t want)
{
    int64_t number;
    return json_value_i64(json_item(array, index), &number) && number == want;
}

static bool is_face(struct json_object *tensor)
{
    struct json_object *shape = json_at(tensor, "shape"), *at = json_at(tensor, "data_offsets");
    return str_eq(json_str(tensor, "dtype"), S("U8")) && json_length(shape) == 3 &&
           is_number_at(shape, 0, FAL_FACE_SIDE) && is_number_at(shape, 1, FAL_FACE_SIDE) &&
           is_number_at(shape, 2, 3) && json_length(at) == 2 && is_number_at(at, 0, 0) &&
           is_number_at(at, 1, FAL_FACE_BYTES);
}

bool fal_lora_read(struct arena *a, str bytes, struct fal_lora_file *out)
{
    struct json_object *header;
    uint64_t length = 0;
    if (bytes.len < LENGTH_BYTES)
        return false;
    for (int i = 0; i < LENGTH_BYTES; i++)
        length |= (uint64_t)(unsigned char)bytes.ptr[i] << 8 * i;
    if (length > MOST_HEADER_BYTES || bytes.len != LENGTH_BYTES + length + FAL_FACE_BYTES ||
        json_parse(a, str_trim(str_sub(bytes, LENGTH_BYTES, length)), &header) ||
        !is_face(json_at(header, "face")))
        return false;

    struct json_object *about = json_at(header, "__metadata__");
    str_to_i64(json_str(about, "steps"), &out->steps);
    out->trigger = json_str(about, "trigger");
    out->face.pixels = (const unsigned char *)bytes.ptr + LENGTH_BYTES + length;
    return true;
}
