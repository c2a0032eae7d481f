/** What a merchant's own signing secret looks like. */
export const SECRET_HINT = "whsec_ and the base64 of 24 to 64 bytes. Without it the gateway makes one.";
