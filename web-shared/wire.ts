/**
 * The API's resources under the names the pages use. Their fields are generated from docs/openapi.json (wire.gen.ts);
 * nothing here repeats one. Amounts are integer minor units, instants RFC 3339 in UTC.
 */
import type { components } from "./wire.gen.ts";

type Schemas = components["schemas"];

export type Method = Schemas["Method"];
export type PaymentStatus = Schemas["PaymentStatus"];
export type Payment = Schemas["PaymentView"];
/** A payment, and an order, as the payer may see it. */
export type PublicPayment = Schemas["PublicPaymentView"];
export type PublicOrder = Schemas["PublicOrderView"];
export type PublicRefund = Schemas["PublicRefundView"];
export type NewUpiPayment = Schemas["NewUpiPayment"];
export type NewCardPayment = Schemas["NewCardPayment"];
export type NewNetbankingPayment = Schemas["NewNetbankingPayment"];
export type Order = Schemas["OrderView"];
/** An order that is sent to its payer. */
export type PaymentLink = Schemas["PaymentLinkView"];
export type NewPaymentLink = Schemas["NewPaymentLink"];
export type Refund = Schemas["RefundView"];
export type EventType = Schemas["EventType"];
export type DomainEvent = Schemas["EventView"];
export type Timeline = Schemas["Timeline"];
export type TimelineEvent = Schemas["TimelineEvent"];
export type TimelineDelivery = Schemas["TimelineDelivery"];
export type TimelineAttempt = Schemas["TimelineAttempt"];
export type BankAttempt = Schemas["BankAttempt"];

export type Merchant = Schemas["MerchantShape"];
export type SignedIn = Schemas["SessionShape"];
export type User = Schemas["UserShape"];
/** The user who is signed in. */
export type OwnUser = Schemas["OwnUserShape"];
/** The app's seed, which is shown once. */
export type SecondFactorSeed = Schemas["SeedShape"];
export type SecondFactor = Schemas["SecondFactorShape"];
/** A session and the recovery codes, which are shown once. */
export type ConfirmedSecondFactor = Schemas["ConfirmedShape"];
export type RecoveryCodes = Schemas["RecoveryCodesShape"];
export type Invitation = Schemas["InvitationShape"];
/** With its link, which is shown once. */
export type NewInvitation = Schemas["NewInvitationShape"];
export type Role = Schemas["Role"];
export type Right = Schemas["Right"];
/** The new merchant, its first key pair (the secret is never shown again) and the session it is in. */
export type SignedUp = Schemas["SignedUpShape"];
/** Only this response contains the secret. */
export type ReturnSecret = Schemas["ReturnSecretShape"];
export type AuditEntry = Schemas["EntryShape"];
export type LoginSession = Schemas["ListedSessionShape"];
export type ApiKey = Schemas["KeyShape"];
/** A key with its secret: just made, or test mode's seeded pair. */
export type KeyPair = Schemas["KeyPairShape"];
/** As listed: only test mode's seeded pair comes with its secret. */
export type ListedKey = ApiKey & Partial<Pick<KeyPair, "secret">>;

export type Endpoint = Schemas["EndpointShape"];
export type EndpointWithSecret = Schemas["EndpointWithSecretShape"];
/** The one-endpoint form. The secret comes once: with the first URL, and when it is regenerated. */
export type WebhookConfig = Schemas["ConfigShape"];
export type Delivery = Schemas["DeliveryShape"];
export type DeliveryStatus = Delivery["status"];
export type DeliveryDetail = Schemas["DeliveryDetailShape"];
export type DeliveryAttempt = Schemas["AttemptShape"];
/** How many deliveries a replay or a bulk retry covers. */
export type Matching = Schemas["MatchingShape"];
export type WebhookJob = Schemas["JobShape"];

export type AnalyticsSummary = Schemas["SummaryShape"];
/** The figures of one period. */
export type PeriodNumbers = Schemas["NumbersShape"];
export type Timeseries = Schemas["TimeseriesShape"];
export type TimePoint = Schemas["PointShape"];

/** What the last audits of the running stack found. */
export type Audit = Schemas["AuditShape"];
