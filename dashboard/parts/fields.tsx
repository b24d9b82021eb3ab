import type { ComponentChildren } from 'preact';
import { useId } from 'preact/hooks';

// Form fields: a label and a native control.

interface FieldProps {
  readonly label: string;
  readonly value: string;
  onChange(value: string): void;
  readonly hint?: string;
}

function Field(props: {
  readonly id: string;
  readonly label: string;
  readonly hint?: string | undefined;
  readonly children: ComponentChildren;
}) {
  return (
    <div class="field">
      <label for={props.id}>{props.label}</label>
      {props.children}
      {props.hint && <small id={`${props.id}-hint`}>{props.hint}</small>}
    </div>
  );
}

interface TextFieldProps extends FieldProps {
  readonly type?: 'text' | 'number' | 'date' | 'datetime-local' | 'month' | 'search';
  readonly isRequired?: boolean;
  readonly inputMode?: 'decimal' | 'numeric';
  readonly pattern?: string;
}

export function TextField(props: TextFieldProps) {
  const id = useId();
  const { label, value, hint, type = 'text', isRequired = false, inputMode, pattern } = props;
  return (
    <Field id={id} label={label} hint={hint}>
      <input
        id={id}
        type={type as 'text'}
        value={value}
        required={isRequired}
        inputMode={inputMode}
        pattern={pattern}
        aria-describedby={hint && `${id}-hint`}
        onInput={({ currentTarget }) => props.onChange(currentTarget.value)}
      />
    </Field>
  );
}

interface SelectFieldProps extends FieldProps {
  /** Value and text of each option. */
  readonly options: readonly (readonly [string, string])[];
}

export function SelectField({ label, value, hint, options, onChange }: SelectFieldProps) {
  const id = useId();
  return (
    <Field id={id} label={label} hint={hint}>
      <select id={id} value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {options.map(([option, text]) => (
          <option key={option} value={option}>
            {text}
          </option>
        ))}
      </select>
    </Field>
  );
}

interface TextAreaFieldProps extends FieldProps {
  readonly isRequired?: boolean;
  readonly max?: number;
}

export function TextAreaField(props: TextAreaFieldProps) {
  const id = useId();
  const { label, value, hint, isRequired = false, max } = props;
  return (
    <Field id={id} label={label} hint={hint}>
      <textarea
        id={id}
        rows={4}
        value={value}
        required={isRequired}
        maxLength={max}
        aria-describedby={hint && `${id}-hint`}
        onInput={({ currentTarget }) => props.onChange(currentTarget.value)}
      />
    </Field>
  );
}

interface CheckFieldProps {
  readonly label: string;
  readonly isChecked: boolean;
  onChange(isChecked: boolean): void;
}

export function CheckField({ label, isChecked, onChange }: CheckFieldProps) {
  return (
    <label class="check">
      <input
        type="checkbox"
        checked={isChecked}
        onChange={({ currentTarget }) => onChange(currentTarget.checked)}
      />
      {label}
    </label>
  );
}
