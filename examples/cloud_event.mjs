// Send a CloudEvent to predict and print the event that it answers with.
//
//     npm install cloudevents
//     node cloud_event.mjs http://127.0.0.1:8080/fn/predict/

import { CloudEvent, HTTP } from "cloudevents";

const listing = { state: "Texas", zip_code: "77084", bed: 3, bath: 2, house_size: 1800 };

const request = new CloudEvent({
  type: "tasador.prediction.requested",
  source: "/examples/cloud_event",
  data: listing,
});
const { headers, body } = HTTP.binary(request);
const answer = await fetch(process.argv[2], { method: "POST", headers, body });
if (!answer.ok) throw new Error(`${answer.status}: ${await answer.text()}`);
const event = HTTP.toEvent({
  headers: Object.fromEntries(answer.headers),
  body: await answer.text(),
});
console.log(event.type, event.id, "from", event.source, "in answer to", event.causationid);
console.log(JSON.stringify(event.data, null, 2));
