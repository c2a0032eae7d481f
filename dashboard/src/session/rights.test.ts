/** What a role may not do comes with the roles that may. */
import { expect, it } from "vitest";
import { permissionOf } from "./rights.ts";

it("an owner may everything", () => {
  expect(permissionOf("owner", "users")).toEqual({ may: true, why: "" });
});

it("names the roles that may", () => {
  expect(permissionOf("support", "payments")).toEqual({
    may: false,
    why: "Your role (support) does not allow this. It needs the role owner or developer.",
  });
  expect(permissionOf("support", "exports").why).toContain("owner, developer or finance");
  expect(permissionOf("developer", "users").why).toContain("needs the role owner.");
});
