/** What a merchant's own signing secret looks like. */
export const SECRET_HINT = "whsec_ followed by the base64 of 24 to 64 bytes. Empty: the gateway generates one.";
