// What both SDKs send; the same values stand in ../scenarios.py.

import { z } from "zod";

export const IMAGE_URL = "https://images.example/red%20dot.png?size=1&x=y";
export const PNG =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJg" +
  "gg==";
export const Weather = z.object({ city: z.string(), degrees: z.int() });
