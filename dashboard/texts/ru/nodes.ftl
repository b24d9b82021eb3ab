# Узлы.
nodes-empty = Узлов нет. Добавьте узел в конфигурацию и примените её.
nodes-all = Узлы
nodes-down = Не отвечают
nodes-additions = Ждут добавления
nodes-removals = Ждут удаления
nodes-node = Узел
nodes-status = Статус
nodes-users = Пользователи
nodes-pending = Ожидающие изменения
nodes-seen = Последняя связь
nodes-compared = Последняя сверка
nodes-error = Последняя ошибка
nodes-state-up = работает
nodes-state-down = не отвечает
nodes-state-draining = выводится
nodes-state-unseen = связи ещё не было
nodes-state-seeding = заполняется
nodes-groups = Группы:
nodes-since = с
nodes-progress = { $done } из { $of }
nodes-waiting = добавить: { $add }, удалить: { $remove }
nodes-oldest = самое старое удаление с
nodes-failures = { $count ->
    [one] { $count } ошибка
    [few] { $count } ошибки
   *[other] { $count } ошибок
  }; следующая попытка в
