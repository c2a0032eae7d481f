/** Gives the pages the API, the session and the run-time configuration; owns the calls that sign in and out. */
import { type ComponentChildren, createContext } from "preact";
import { useContext, useEffect, useMemo, useReducer, useRef } from "preact/hooks";
import type { ConfirmedSecondFactor, Merchant, OwnUser, SignedIn, SignedUp } from "web-shared/wire";
import { type Api, createApi } from "../api/client.ts";
import { failureOfException } from "../api/failure.ts";
import type { RuntimeConfig } from "../api/types.ts";
import { navigate } from "../router/place.ts";
import { INITIAL_SESSION, reduceSession, type Session } from "./session.ts";

export interface Gateway {
  api: Api;
  config: RuntimeConfig;
  session: Session;
  check(): void;
  /** `otp`: if the user has a second factor. */
  login(email: string, password: string, otp?: string): Promise<void>;
  signUp(name: string, email: string, password: string): Promise<void>;
  join(token: string, password: string): Promise<void>;
  changePassword(current: string, password: string): Promise<void>;
  /** The recovery codes, and the continuation with the new session once they have been read. */
  confirmSecondFactor(password: string, otp: string): Promise<{ codes: readonly string[]; enter: () => void }>;
  removeSecondFactor(user: OwnUser, password: string, otp: string): Promise<void>;
  logout(): Promise<void>;
  learnSecret(key: string, secret: string): void;
  changeMerchant(merchant: Merchant): void;
}

const GatewayContext = createContext<Gateway | null>(null);

export function useGateway(): Gateway {
  const gateway = useContext(GatewayContext);
  if (!gateway) throw new Error("useGateway outside GatewayProvider");
  return gateway;
}

/** The signed-in merchant; pages behind the login always have one. */
export function useMerchant(): Merchant {
  const { session } = useGateway();
  if (session.state !== "signed_in") throw new Error("useMerchant outside the signed-in pages");
  return session.merchant;
}

/** The user who is signed in. */
export function useUser(): OwnUser {
  const { session } = useGateway();
  if (session.state !== "signed_in") throw new Error("useUser outside the signed-in pages");
  return session.user;
}

export function GatewayProvider({ config, children }: { config: RuntimeConfig; children: ComponentChildren }) {
  const [session, dispatch] = useReducer(reduceSession, INITIAL_SESSION);
  const csrfToken = useRef<string | null>(null);
  csrfToken.current = session.state === "signed_in" ? session.csrfToken : csrfToken.current;

  const actions = useMemo(() => {
    const api = createApi({
      baseUrl: config.api_url,
      csrfToken: () => csrfToken.current,
      onUnauthorized: () => dispatch({ type: "refused" }),
    });
    const accept = (response: { merchant: Merchant; user: OwnUser; csrf_token: string | null }) => {
      csrfToken.current = response.csrf_token;
      dispatch({ type: "signed_in", merchant: response.merchant, user: response.user, csrfToken: response.csrf_token });
    };
    return {
      api,
      check() {
        dispatch({ type: "check_started" });
        api.get<SignedIn>("/auth/session").then(accept, (error: unknown) => {
          dispatch({ type: "check_failed", failure: failureOfException(error) });
        });
      },
      async login(email: string, password: string, otp?: string) {
        accept(await api.send<SignedIn>("POST", "/auth/login", { email, password, ...(otp && { otp }) }));
      },
      async signUp(name: string, email: string, password: string) {
        const response = await api.send<SignedUp>("POST", "/merchants", { name, email, password });
        const { api_key: key, api_secret: secret, csrf_token, user, ...merchant } = response;
        accept({ merchant, user, csrf_token });
        dispatch({ type: "secret_learned", key, secret });
      },
      async join(token: string, password: string) {
        accept(await api.send<SignedIn>("POST", "/auth/join", { token, password }));
      },
      async changePassword(current: string, password: string) {
        accept(await api.send<SignedIn>("POST", "/auth/password", { current_password: current, password }));
      },
      async confirmSecondFactor(password: string, otp: string) {
        const body = { current_password: password, otp };
        const response = await api.send<ConfirmedSecondFactor>("POST", "/auth/second-factor/confirm", body);
        csrfToken.current = response.csrf_token;
        return { codes: response.recovery_codes, enter: () => accept(response) };
      },
      async removeSecondFactor(user: OwnUser, password: string, otp: string) {
        await api.send("POST", "/auth/second-factor/remove", { current_password: password, otp });
        dispatch({ type: "user_changed", user: { ...user, second_factor: false } });
      },
      async logout() {
        await api.send("POST", "/auth/logout");
        csrfToken.current = null;
        dispatch({ type: "signed_out" });
        // not back to this page: the next to sign in may be somebody else
        navigate("/login");
      },
      learnSecret(key: string, secret: string) {
        dispatch({ type: "secret_learned", key, secret });
      },
      changeMerchant(merchant: Merchant) {
        dispatch({ type: "merchant_changed", merchant });
      },
    };
  }, [config.api_url]);

  useEffect(() => actions.check(), [actions]);
  const gateway = useMemo(() => ({ ...actions, config, session }), [actions, config, session]);
  return <GatewayContext.Provider value={gateway}>{children}</GatewayContext.Provider>;
}
