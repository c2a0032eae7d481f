/** Add or change an endpoint. */
import { useState } from "preact/hooks";
import { Field } from "web-shared/field";
import type { Endpoint, EndpointWithSecret } from "web-shared/wire";
import { useGateway } from "../../session/session-context.tsx";
import { announce } from "../../ui/announcer.tsx";
import { Dialog } from "../../ui/dialog.tsx";
import { Check, Select, TextArea } from "../../ui/field.tsx";
import { FormProblem } from "../../ui/states.tsx";
import { useAction } from "../../ui/use-action.ts";
import { USUAL_EVENTS, WEBHOOK_EVENTS } from "../webhooks/event-types.ts";
import { parseHeaders } from "./headers.ts";
import { SECRET_HINT } from "./secret-hint.ts";

export interface EndpointDialogProps {
  /** null: a new one. */
  endpoint: Endpoint | null;
  onCreated: (endpoint: EndpointWithSecret) => void;
  onChanged: () => void;
  onClose: () => void;
}

export function EndpointDialog({ endpoint, onCreated, onChanged, onClose }: EndpointDialogProps) {
  const { api } = useGateway();
  const [url, setUrl] = useState(endpoint?.url ?? "");
  const [description, setDescription] = useState(endpoint?.description ?? "");
  const [events, setEvents] = useState<readonly string[]>(endpoint?.events.length ? endpoint.events : USUAL_EVENTS);
  const [ordering, setOrdering] = useState<string>(endpoint?.ordering ?? "per_payment");
  const [headerLines, setHeaderLines] = useState("");
  const [headersRemoved, setHeadersRemoved] = useState(false);
  const [headersProblem, setHeadersProblem] = useState<string | null>(null);
  const [secret, setSecret] = useState("");
  const saving = useAction(async () => {
    const parsed = parseHeaders(headersRemoved ? "" : headerLines);
    if ("problem" in parsed) return setHeadersProblem(parsed.problem);
    const replaced = headersRemoved || headerLines.trim() !== "";
    const body = {
      url: url.trim(),
      description: description.trim() || null,
      events,
      ordering,
      ...(replaced ? { headers: parsed.headers } : {}),
    };
    if (endpoint) {
      await api.send("PATCH", `/webhook-endpoints/${endpoint.id}`, body);
      announce("Endpoint saved");
      onChanged();
      onClose();
    } else {
      onCreated(
        await api.send<EndpointWithSecret>("POST", "/webhook-endpoints", { ...body, secret: secret.trim() || null }),
      );
    }
  });
  const field = saving.failure?.field ?? null;
  const problemOf = (name: string) => (field === name ? saving.failure?.description : null);
  const hasHeaders = endpoint !== null && endpoint.header_names.length > 0;
  const toggle = (event: string, on: boolean) =>
    setEvents(WEBHOOK_EVENTS.filter((known) => (known === event ? on : events.includes(known))));
  const submit = (event: Event) => {
    event.preventDefault();
    void saving.run();
  };
  return (
    <Dialog title={endpoint ? "Edit endpoint" : "Add endpoint"} onClose={onClose} locked={saving.busy}>
      <form onSubmit={submit} data-test-id="endpoint-form">
        <div class="dialog-body">
          <Field
            label="URL"
            type="url"
            required
            autocomplete="off"
            placeholder="https://shop.example/webhooks"
            testId="endpoint-url-input"
            problem={problemOf("url")}
            value={url}
            onValue={setUrl}
          />
          <Field
            label="Description (optional)"
            autocomplete="off"
            maxLength={200}
            value={description}
            onValue={setDescription}
          />
          <fieldset class="checks">
            <legend>Events</legend>
            {WEBHOOK_EVENTS.map((event) => (
              <Check
                key={event}
                label={event}
                checked={events.includes(event)}
                onChecked={(checked) => toggle(event, checked)}
              />
            ))}
          </fieldset>
          <Select
            label="Delivery order"
            hint="In order: a payment's next event waits until the previous one is delivered or has failed for good."
            options={[
              ["per_payment", "In order, for each payment"],
              ["none", "In any order"],
            ]}
            value={ordering}
            onValue={setOrdering}
          />
          <TextArea
            label={hasHeaders ? "New custom headers (optional)" : "Custom headers (optional)"}
            hint={
              hasHeaders
                ? `Current: ${endpoint.header_names.join(", ")}. What you enter here replaces all of them.`
                : "Sent with every webhook, one per line. Their values are not shown again."
            }
            rows={3}
            placeholder="Authorization: Bearer …"
            testId="endpoint-headers-input"
            problem={headersProblem ?? problemOf("headers")}
            value={headerLines}
            onValue={(lines) => {
              setHeaderLines(lines);
              setHeadersProblem(null);
            }}
          />
          {hasHeaders && <Check label="Remove all headers" checked={headersRemoved} onChecked={setHeadersRemoved} />}
          {endpoint === null && (
            <Field
              label="Your own secret (optional)"
              hint={SECRET_HINT}
              autocomplete="off"
              maxLength={128}
              testId="endpoint-secret-input"
              problem={problemOf("secret")}
              value={secret}
              onValue={setSecret}
            />
          )}
          <FormProblem failure={["url", "headers", "secret"].includes(field ?? "") ? null : saving.failure} />
        </div>
        <footer class="dialog-foot">
          <button type="button" class="button quiet" disabled={saving.busy} onClick={onClose}>
            Cancel
          </button>
          <button
            type="submit"
            class="button"
            data-test-id="save-endpoint-button"
            disabled={saving.busy || events.length === 0}
          >
            {endpoint ? "Save" : "Add endpoint"}
          </button>
        </footer>
      </form>
    </Dialog>
  );
}
