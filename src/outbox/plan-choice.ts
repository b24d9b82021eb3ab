/** A plan and length on sale, at the customer's price, as stored with a notification. */
export interface PlanChoice {
  readonly plan: string;
  readonly title: Readonly<Record<string, string>>;
  readonly period_days: number;
  readonly amount: string;
  readonly currency: string;
}

/** As a param of a notification; null: nothing is on sale. */
export const formatChoices = (choices: readonly PlanChoice[] | undefined): string | null =>
  choices === undefined || choices.length === 0 ? null : JSON.stringify(choices);
