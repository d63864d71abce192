// Against a server that runs: LEADSCORE_URL and LEADSCORE_TOKEN say which.

import assert from "node:assert/strict";
import { test } from "node:test";

import { leadscore } from "../src/index.js";

const baseUrl = process.env["LEADSCORE_URL"] ?? "";
const token = process.env["LEADSCORE_TOKEN"] ?? "";

test("a wrong token is a problem with a code", async () => {
  const client = leadscore({ baseUrl, token: "lsk_wrong" });
  const { data, error, response } = await client.GET("/api/v1/jobs");
  assert.equal(data, undefined);
  assert.equal(response.status, 401);
  assert.equal(error?.code, "unauthenticated");
});

test("a lead is created, scored and read", async () => {
  const client = leadscore({ baseUrl, token: async () => token });
  const created = await client.POST("/api/v1/leads", {
    body: {
      identities: [{ kind: "crm", value: "typescript" }],
      attributes: { budget: 450_000 },
      consents: [{ purpose: "profiling", state: "granted", basis: "consent", evidence: "form 4" }],
    },
  });
  assert.equal(created.response.status, 201);
  const lead_id = created.data?.lead_id ?? "";
  const receipt = await client.POST("/api/v1/events", {
    params: { query: { wait: "score" } },
    body: {
      source: "typescript",
      source_event_id: "1",
      lead: { lead_id },
      occurred_at: new Date().toISOString(),
      type: "showing",
      data: { action: "held" },
    },
  });
  assert.equal(receipt.response.status, 200, JSON.stringify(receipt.error));
  const { data: score } = await client.GET("/api/v1/leads/{lead_id}/score", { params: { path: { lead_id } } });
  assert.equal(score?.lead_id, lead_id);
  assert.ok(score && score.score >= 0 && score.score <= 100);
  assert.ok(score.prediction.conversion_probability > 0);
});
