/** The start: greet the page that opened us, read the API's address and the language, then draw. */
import { render } from "preact";
import "web-shared/tokens.css";
import "./checkout.css";
import { App } from "./app.tsx";
import { type Api, createApi, readApiUrl } from "./flow/api.ts";
import { openLine } from "./flow/parent.ts";
import { readPlace } from "./place.ts";
import { Language, type Locale, readTexts } from "./texts/language.ts";

const testMode = document.querySelector<HTMLMetaElement>('meta[name="gateway-test"]')?.content === "true";
const place = readPlace(location.href, navigator.languages, testMode);
const line = openLine(place.opener);
const root = document.getElementById("app") as HTMLElement;
if (place.theme) document.documentElement.dataset.theme = place.theme;
line.send({ type: "ready", data: undefined });

/** The API's address comes from our own host; every call waits for it and retries while it is unavailable. */
function lateApi(): Api {
  let known: Promise<Api> | undefined;
  let url = "";
  const api = (): Promise<Api> => {
    known ??= readApiUrl().then((found) => {
      url = found;
      return createApi(found);
    });
    known.catch(() => {
      known = undefined;
    });
    return known;
  };
  return {
    order: async (orderId) => (await api()).order(orderId),
    pay: async (...given) => (await api()).pay(...given),
    payment: async (paymentId) => (await api()).payment(paymentId),
    leave: async (paymentId) => (await api()).leave(paymentId),
    decide: async (...given) => (await api()).decide(...given),
    streamUrl: (paymentId) => createApi(url).streamUrl(paymentId),
  };
}

const api = lateApi();

async function draw(locale: Locale): Promise<void> {
  const texts = await readTexts(locale);
  document.documentElement.lang = locale;
  render(
    <Language.Provider value={texts}>
      <App api={api} place={place} line={line} locale={locale} onLanguage={draw} />
    </Language.Provider>,
    root,
  );
}

void draw(place.locale);
